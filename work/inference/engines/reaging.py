"""The direct re-ageing network and the person matte on the fastest engine that computes what Paddle computes."""

from __future__ import annotations

import sys
from functools import cache, partial
from pathlib import Path
from typing import Any, Callable, Sequence, Union

import numpy as np
import paddle
from paddle import Tensor

from work.inference.engines import openvino_engine, paddle_engine
from work.inference.engines.cache import (
    Checks,
    flat_squares,
    folder_for,
    load_all,
    relative_rms,
    stages,
)
from work.inference.engines.engine import Engine, Shapes, first_usable, supported
from work.inference.engines.graph import Graph
from work.inference.engines.matte_graph import matte
from work.inference.engines.ops import Node, Ops
from work.inference.engines.reaging_graph import reaging
from work.models.person_matte import SIZE as MATTE_SIZE
from work.models.person_matte import PersonMatte, at_size
from work.models.reaging.unet import ReagingNet

ENGINES: tuple[Engine, ...] = (openvino_engine, paddle_engine)  # the fastest first
NAME, MATTE = "reaging", "matte"  # the first with the size of its faces
Reager = Union[ReagingNet, Graph]
Matte = Callable[[Tensor], Tensor]
AtSize = Callable[[int], Reager]  # px of a face -> the network for faces of that size


def fast_networks(
    net: ReagingNet,
    persons: PersonMatte,
    source: Path,
    sizes: Sequence[int],
    choice: str,
    precision: str,
) -> tuple[AtSize, Matte]:
    """Both networks on an engine, the first once for each size of faces; `net` and `persons` if Paddle has to compute.

    Args:
        source: the file of the network's weights.
        sizes: px; the graph of the first is loaded at once, the others when they are first asked for.
        choice: `--engine`, see `first_usable`.
        precision: of the network, "fp32" or "bf16"; the matte stays in fp32.
    """
    prepare = partial(_on_engine, net, persons, source, sizes, precision)
    found = first_usable(choice, ENGINES, prepare)
    if found is None and precision == "bf16":
        print("note: Paddle draws in fp32; bf16 needs OpenVINO", file=sys.stderr)
    return found or (lambda size: net, persons)


def inputs_of(size: int) -> Shapes:
    """The graph's inputs: a face, its age and the target age in years."""
    return {"face": (1, 3, size, size), "own_age": (1,), "target_age": (1,)}


def graph_of(net: ReagingNet, size: int, ops: Ops, *inputs: Node) -> Node:
    """Makes the graph, which draws the difference [1, 3, size, size]."""
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    return reaging(ops, inputs, weights, size, len(net.down), len(net.deep))


def example(size: int, seed: int) -> list[np.ndarray]:
    """Seeded inputs: a face of flat squares, and two ages."""
    rng = np.random.default_rng(seed)
    face = flat_squares(rng, (1, 3, size, size))
    return [face, *rng.uniform(15, 85, (2, 1)).astype(np.float32)]


def _on_engine(
    net: ReagingNet,
    persons: PersonMatte,
    source: Path,
    sizes: Sequence[int],
    precision: str,
    engine: Engine,
) -> tuple[AtSize, Matte]:
    """Build, load and check an engine's graphs; they are built and checked once. Raises EngineUnavailable."""
    version, precision = engine.version(), supported(engine, precision)
    folder = folder_for(source, engine.NAME)
    names = {size: f"{NAME}_{size}" for size in sizes}
    precisions = {**dict.fromkeys(names.values(), precision), MATTE: "fp32"}
    checks = Checks(folder, version)
    needed = (*names.values(), MATTE) if checks.missing(precisions) else (names[sizes[0]], MATTE)
    photo = {"photo": (1, 3, MATTE_SIZE, MATTE_SIZE)}
    with stages(folder) as done:
        for size, name in names.items():
            engine.build(name, inputs_of(size), partial(graph_of, net, size), folder)
        engine.build(MATTE, photo, partial(_matte_of, persons), folder)
        done()
        runs = load_all(engine, {name: precisions[name] for name in needed}, folder)
        done()
        if checks.missing(precisions):
            for size, name in names.items():
                graph = Graph(runs[name])
                errors = [_distance(graph, net, example(size, seed)) for seed in (0, 1)]
                checks.record(name, precision, max(errors))
            squares = flat_squares(np.random.default_rng(0), photo["photo"])
            error = _distance(Graph(runs[MATTE]), persons, [squares], offset=-1)
            checks.record(MATTE, "fp32", error)
        done()
    checks.require(precisions)

    @cache
    def at(size: int) -> Reager:
        name = names[size]
        if name not in runs:
            folder.mkdir(parents=True, exist_ok=True)  # the cache may have been cleared meanwhile
            engine.build(name, inputs_of(size), partial(graph_of, net, size), folder)
        return Graph(runs.get(name) or engine.load(name, folder, precision))

    return at, partial(at_size, Graph(runs[MATTE]))


def _matte_of(persons: PersonMatte, ops: Ops, photo: Node) -> Node:
    return matte(ops, photo, {name: x.numpy() for name, x in persons.state_dict().items()})


@paddle.no_grad()
def _distance(graph: Graph, plain: Any, inputs: list[np.ndarray], offset: float = 0) -> float:
    """The relative error of a graph's output. Mattes need the offset -1, since they are near 0 for flat squares."""
    tensors = [paddle.to_tensor(x) for x in inputs]
    return relative_rms(graph(*tensors).numpy() + offset, plain(*tensors).numpy() + offset)
