"""From a checkpoint to the fastest engine that computes what Paddle computes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import paddle

from work.configs.options import ModelChoice
from work.inference.engines import engine as engines
from work.inference.engines import networks, openvino_engine
from work.inference.engines.engine import Checks, EngineUnavailable
from work.inference.model import SAM, build_sam, empty_net, set_latent_avg
from work.models.checkpoint import Checkpoint, load_state


def load_sam(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    """SAM or pSp on the engine that the options ask for.

    "auto" is OpenVINO on a CPU where it is installed, else Paddle. An engine that cannot be used, or that does not
    pass its check, is replaced by Paddle; one line on stderr says so.

    Raises:
        UserError: a checkpoint that cannot be used.
    """
    on_cpu = paddle.device.get_device() == "cpu"
    if options.engine == "openvino" or (options.engine == "auto" and on_cpu):
        try:
            return _openvino(checkpoint, options, source)
        except EngineUnavailable as error:
            if options.engine == "openvino" or options.precision == "bf16":
                print(f"note: Paddle computes instead of OpenVINO: {error}", file=sys.stderr)
    return _paddle(checkpoint, options, source)


def _paddle(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    model = SAM(build_sam(checkpoint, options, str(source)).net, blend=options.blend or "generator")
    if options.precision == "bf16" and paddle.device.get_device() == "cpu":
        print("note: on a CPU Paddle computes in fp32", file=sys.stderr)
    else:
        model.autocast = options.precision == "bf16"
    return model


def _openvino(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    version = openvino_engine.version()
    net = empty_net(checkpoint, options, str(source))
    if net.learn_in_w:
        raise EngineUnavailable("encoders in W have no graph")
    shapes = engines.graph_inputs(net)
    folder = engines.folder_for(source, openvino_engine.NAME)
    for name, shape in shapes.items():
        graph = _graph(name, checkpoint.state_dict.part(f"{name}."), net.n_styles)
        openvino_engine.build(name, [shape], graph, folder)
    load_state(net.decoder.style, checkpoint.state_dict.part("decoder.style."), str(source))
    set_latent_avg(net, checkpoint, str(source))
    runs = {name: openvino_engine.load(name, folder, options.precision) for name in shapes}
    checks = Checks(folder, version)
    if checks.missing(shapes, options.precision):
        _check(checks, runs, shapes, checkpoint, options, source)
    checks.require(shapes, options.precision)
    return SAM(net, engines.attach(net, runs), options.blend or "generator")


def _graph(name: str, weights, n_styles: int):
    """What makes the graph of an encoder or the decoder."""
    if name == "decoder":
        return lambda ops, x: networks.decoder(ops, x, weights)
    return lambda ops, x: networks.encoder(ops, x, weights, n_styles)


@paddle.no_grad()
def _check(checks, runs, shapes, checkpoint, options, source) -> None:
    """Run every graph and Paddle's own network on the same input and record how far they are apart."""
    net = build_sam(checkpoint, options, str(source)).net
    layers = {"encoder": net.encoder, "decoder": net.decode}
    if "pretrained_encoder" in shapes:
        layers["pretrained_encoder"] = net.pretrained_encoder
    for name, shape in shapes.items():
        x = engines.sample_input(name, shape, net)
        expected = layers[name](paddle.to_tensor(x)).numpy()
        found = np.asarray(runs[name](x))
        checks.record(name, options.precision, engines.relative_rms(found, expected))
