"""From a checkpoint to the fastest engine that computes what Paddle computes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from work.configs.options import ModelChoice
from work.inference.engines import cache as engines
from work.inference.engines import openvino_engine, paddle_engine
from work.inference.engines import sam_graph as networks
from work.inference.engines import sam_parts as sam_graphs
from work.inference.engines.cache import Checks, EngineUnavailable, NotInstalled
from work.inference.sam import SAM
from work.loading import load_psp, set_latent_avg, shape_psp
from work.models.checkpoint import Checkpoint, load_state
from work.models.psp import PSP

ENGINES = {"openvino": openvino_engine, "paddle-inference": paddle_engine}  # the fastest first


def load_sam(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    """SAM or pSp on the engine that the options ask for.

    "auto" is on a CPU the first of ENGINES that is installed and passes its check, else Paddle. An engine that
    cannot be used is replaced by the next; one line on stderr says so, unless nobody asked for it.

    Raises:
        UserError: a checkpoint that cannot be used.
    """
    names = [options.engine] if options.engine in ENGINES else []
    if options.engine == "auto" and paddle.device.get_device() == "cpu":
        names = list(ENGINES)
    for name in names:
        try:
            return _graphs(ENGINES[name], checkpoint, options, source)
        except EngineUnavailable as error:
            if options.engine != "auto" or not isinstance(error, NotInstalled):
                print(f"note: {name} is not used: {error}", file=sys.stderr)
    return _paddle(checkpoint, options, source)


def _paddle(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    model = SAM(load_psp(checkpoint, options, source), blend=options.blend or "generator")
    if options.precision == "bf16" and paddle.device.get_device() == "cpu":
        print("note: on a CPU Paddle computes in fp32", file=sys.stderr)
    else:
        model.autocast = options.precision == "bf16"
    return model


def _graphs(engine: Any, checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    """The network with its parts replaced by the graphs of an engine, which are built and checked once."""
    version, precision = engine.version(), options.precision
    if precision not in engine.PRECISIONS:
        print(f"note: {engine.NAME} computes in {engine.PRECISIONS[0]}", file=sys.stderr)
        precision = engine.PRECISIONS[0]
    net = shape_psp(checkpoint, options, source, encoders=False)
    if net.learn_in_w:
        raise EngineUnavailable("encoders in W have no graph")
    shapes = sam_graphs.graph_inputs(net)
    folder = engines.folder_for(source, engine.NAME)
    for name, shape in shapes.items():
        graph = _graph(name, checkpoint.state_dict.part(f"{name}."), net.n_styles)
        engine.build(name, {"x": shape}, graph, folder)
    load_state(net.decoder.style, checkpoint.state_dict.part("decoder.style."), str(source))
    set_latent_avg(net, checkpoint, str(source))
    precisions = dict.fromkeys(shapes, precision)
    runs = engines.load_all(engine, precisions, folder)
    checks = Checks(folder, version)
    if checks.missing(precisions):
        _check(checks, runs, shapes, precision, load_psp(checkpoint, options, source))
    checks.require(precisions)
    return SAM(net, sam_graphs.attach(net, runs), options.blend or "generator")


def _graph(name: str, weights, n_styles: int):
    """What makes the graph of an encoder or the decoder."""
    if name == "decoder":
        return lambda ops, x: networks.decoder(ops, x, weights)
    return lambda ops, x: networks.encoder(ops, x, weights, n_styles)


@paddle.no_grad()
def _check(checks: Checks, runs: dict, shapes: dict, precision: str, net: PSP) -> None:
    """Run every graph and Paddle's own network on the same inputs and record how far they are apart.

    On two inputs one after the other: a graph that keeps what it made of the first passes with one.
    """
    layers = {"encoder": net.encoder, "decoder": net.decode}
    if "pretrained_encoder" in shapes:
        layers["pretrained_encoder"] = net.pretrained_encoder
    for name, shape in shapes.items():
        errors = []
        for seed in (0, 1):
            x = sam_graphs.sample_input(name, shape, net, seed)
            expected = layers[name](paddle.to_tensor(x)).numpy()
            errors.append(engines.relative_rms(np.asarray(runs[name](x)), expected))
        checks.record(name, precision, max(errors))
