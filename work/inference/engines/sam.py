"""SAM and pSp on the fastest engine that computes what Paddle computes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle

from work.configs.options import ModelChoice
from work.inference.engines import openvino_engine, paddle_engine, sam_graph
from work.inference.engines.cache import (
    Checks,
    checked_folder,
    flat_squares,
    folder_for,
    load_all,
    relative_rms,
    stages,
)
from work.inference.engines.engine import (
    Engine,
    EngineUnavailable,
    Run,
    Shapes,
    first_usable,
    supported,
)
from work.inference.engines.graph import Graph
from work.inference.engines.light_graph import light_encoder
from work.inference.engines.mobile_graph import MobileGraph
from work.inference.engines.ops import Node, Ops, Weights
from work.loading import load_psp, set_latent_avg, shape_psp
from work.models.checkpoint import Checkpoint, compare_state, load_state
from work.models.psp import PSP

ENGINES: tuple[Engine, ...] = (openvino_engine, paddle_engine)  # the fastest first


def fast_sam(
    checkpoint: Checkpoint, options: ModelChoice, source: Path
) -> Optional[tuple[PSP, Graph]]:
    """The network with graphs for encoders, and the graph that decodes; None if Paddle itself has to compute.

    Args:
        options: `engine` and `precision` choose, see `first_usable`; the others beat what the weights show.
        source: the checkpoint's file.

    Raises:
        UserError: a checkpoint that cannot be used.
    """
    return first_usable(options.engine, ENGINES, partial(_on_engine, checkpoint, options, source))


def _on_engine(
    checkpoint: Checkpoint, options: ModelChoice, source: Path, engine: Engine
) -> tuple[PSP, Graph]:
    """Build, load and check the graphs of an engine; they are built and checked once. Raises EngineUnavailable."""
    version, precision = engine.version(), supported(engine, options.precision)
    net = shape_psp(checkpoint, options, source, encoders=False)
    if not net.has_graphs:
        raise EngineUnavailable("it has graphs of encoders with a feature pyramid only")
    if checked_folder(source, engine.NAME) is None:  # a new file: does all of it fit?
        compare_state(shape_psp(checkpoint, options, source), checkpoint.state_dict, source)
    shapes = _input_shapes(net)
    folder = folder_for(source, engine.NAME)
    own = checkpoint.state_dict.part("decoder.")
    if net.mobile:
        load_state(net.decoder, own, source)
    else:
        load_state(net.decoder.style, own.part("style."), source)
    set_latent_avg(net, checkpoint, source)
    precisions, checks = dict.fromkeys(shapes, precision), Checks(folder, version)
    with stages(folder) as done:
        for name, shape in shapes.items():
            weights = checkpoint.state_dict.part(f"{name}.")
            engine.build(name, {"x": shape}, partial(graph_of, name, weights, net.n_styles), folder)
        done()
        runs = load_all(engine, precisions, folder)
        done()
        if checks.missing(precisions):
            _check(checks, runs, shapes, precision, load_psp(checkpoint, options, source))
        done()
    checks.require(precisions)
    net.encoder = Graph(runs["encoder"])
    if net.start_from_encoded_w_plus:
        net.pretrained_encoder = Graph(runs["pretrained_encoder"])
    return net, Graph(runs["decoder"])


def _input_shapes(net: PSP) -> Shapes:
    """The graphs that a network needs, by the names of its parts, and the shape of their input."""
    shapes = {"encoder": (1, net.input_nc, 256, 256), "decoder": (1, net.n_styles, 512)}
    if net.start_from_encoded_w_plus:
        shapes["pretrained_encoder"] = (1, 3, 256, 256)
    return shapes


def graph_of(name: str, weights: Weights, n_styles: int, ops: Ops, x: Node) -> Node:
    """Makes the graph of an encoder or the decoder; the weights' names show which kind it is.

    Args:
        name: "encoder", "pretrained_encoder" or "decoder"; `weights` are its parameters.
        x: pictures [1, C, 256, 256], or codes [1, n_styles, 512].
    """
    if name == "decoder":
        if "const" in weights:
            return MobileGraph(ops, weights, x).image()
        return sam_graph.decoder(ops, x, weights)
    light = "body.0.0.widen.0.weight" in weights
    return (light_encoder if light else sam_graph.encoder)(ops, x, weights, n_styles)


@paddle.no_grad()
def _check(checks: Checks, runs: dict[str, Run], shapes: Shapes, precision: str, net: PSP) -> None:
    """Run every graph and Paddle's own network on the same inputs and record how far they are apart.

    Twice, on different inputs: a graph that wrongly keeps something from its first input would pass with one.
    """
    layers: dict[str, Callable[..., Any]] = {"encoder": net.encoder, "decoder": net.decode}
    if "pretrained_encoder" in shapes:
        layers["pretrained_encoder"] = net.pretrained_encoder
    for name, shape in shapes.items():
        errors = []
        for seed in (0, 1):
            x = _sample_input(name, shape, net, seed)
            expected = layers[name](paddle.to_tensor(x)).numpy()
            errors.append(relative_rms(np.asarray(runs[name](x)), expected))
        checks.record(name, precision, max(errors))


def _sample_input(name: str, shape: tuple[int, ...], net: PSP, seed: int) -> np.ndarray:
    """A seeded input for the comparison: codes near the mean latent, or a picture of flat squares."""
    rng = np.random.default_rng(seed)
    if name == "decoder":
        return (net.latent_avg.numpy()[None] + rng.normal(0, 0.5, shape)).astype(np.float32)
    return flat_squares(rng, shape)
