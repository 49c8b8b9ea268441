"""The direct re-ageing network on the fastest engine that computes what Paddle computes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Union

import numpy as np
import paddle

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
from work.inference.engines.ops import Node, Ops
from work.inference.engines.reaging_graph import reaging
from work.models.reaging.unet import ReagingNet

ENGINES: tuple[Engine, ...] = (openvino_engine, paddle_engine)  # the fastest first
NAME = "reaging"
Reager = Union[ReagingNet, Graph]


def fast_reager(net: ReagingNet, source: Path, size: int, choice: str, precision: str) -> Reager:
    """The network on an engine, for faces of `size` pixels; the network itself if Paddle has to compute.

    Args:
        source: the file of its weights.
        choice: `--engine`, see `first_usable`.
        precision: "fp32" or "bf16".
    """
    prepare = partial(_on_engine, net, source, size, precision)
    found = first_usable(choice, ENGINES, prepare)
    if found is None and precision == "bf16":
        print("note: Paddle draws in fp32; bf16 needs OpenVINO", file=sys.stderr)
    return found or net


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


def _on_engine(net: ReagingNet, source: Path, size: int, precision: str, engine: Engine) -> Graph:
    """Build, load and check the graph of an engine; it is built and checked once. Raises EngineUnavailable."""
    version, precision = engine.version(), supported(engine, precision)
    folder = folder_for(source, engine.NAME)
    precisions, checks = {NAME: precision}, Checks(folder, version)
    with stages(folder) as done:
        engine.build(NAME, inputs_of(size), partial(graph_of, net, size), folder)
        done()
        graph = Graph(load_all(engine, precisions, folder)[NAME])
        done()
        if checks.missing(precisions):
            errors = [_distance(graph, net, example(size, seed)) for seed in (0, 1)]
            checks.record(NAME, precision, max(errors))
        done()
    checks.require(precisions)
    return graph


@paddle.no_grad()
def _distance(graph: Graph, net: ReagingNet, inputs: list[np.ndarray]) -> float:
    tensors = [paddle.to_tensor(x) for x in inputs]
    return relative_rms(graph(*tensors).numpy(), net(*tensors).numpy())
