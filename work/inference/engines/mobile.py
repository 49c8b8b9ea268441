"""The embedded model's generator on an engine, with the gradients that inverting photos needs."""

from __future__ import annotations

import sys
from typing import Callable, Union

import numpy as np
import paddle
from paddle import Tensor

from work.inference.engines import cache as engines
from work.inference.engines import openvino_engine
from work.inference.engines.cache import Checks, EngineUnavailable
from work.inference.engines.mobile_graph import MobileGraph
from work.models.mobile_stylegan import MobileStyleGAN
from work.models.pretrained import weights_path

# Name of a graph: what it draws, and the size of the image. Those ending in `_back` are the ways back.
GRAPHS = {
    "full": ({}, 1024),
    "half": ({"half": True}, 512),
    "preview": ({"coarse": True}, 256),
    "half_back": ({"half": True}, 512),
    "preview_back": ({"coarse": True}, 256),
}
# All but what is shown are drafts, for inverting photos and for reading ages. They use the CPU's quickest precision: in
# bf16 the codes came as near to the photos in half of the time.
SHOWN = "full"
Run = Callable[..., np.ndarray]


class EngineGenerator:
    """In the place of a MobileStyleGAN: w_plus [N, 23, 512] to images, run by graphs one sample at a time.

    Half and preview images have gradients towards the codes.
    """

    def __init__(self, net: MobileStyleGAN, runs: dict[str, Run]):
        self.map, self.runs = net.map, runs

    def __call__(self, w_plus: Tensor, half: bool = False) -> Tensor:
        return self._draw("half", w_plus) if half else _rows(self.runs["full"], w_plus)

    def preview(self, w_plus: Tensor) -> Tensor:
        return self._draw("preview", w_plus)

    def _draw(self, name: str, w_plus: Tensor) -> Tensor:
        if w_plus.stop_gradient:
            return _rows(self.runs[name], w_plus)
        return _Drawn.apply(w_plus, self.runs[name], self.runs[f"{name}_back"])


def _rows(run: Run, *inputs: Tensor) -> Tensor:
    arrays = [x.numpy() for x in inputs]
    rows = [run(*(x[i : i + 1] for x in arrays)) for i in range(len(arrays[0]))]
    return paddle.to_tensor(np.concatenate(rows))


class _Drawn(paddle.autograd.PyLayer):
    """An image whose gradient another graph computes."""

    @staticmethod
    def forward(ctx, w_plus: Tensor, run: Run, back: Run) -> Tensor:
        ctx.save_for_backward(w_plus)
        ctx.back = back
        return _rows(run, w_plus)

    @staticmethod
    def backward(ctx, towards: Tensor) -> Tensor:
        (w_plus,) = ctx.saved_tensor()
        return _rows(ctx.back, w_plus, towards)


Generator = Union[MobileStyleGAN, EngineGenerator]


def fast_generator(net: MobileStyleGAN, engine: str, precision: str) -> Generator:
    """What draws faces: OpenVINO on a CPU where it is installed, else `net`.

    An engine that cannot be used, or that differs from Paddle, is replaced by `net`; one line says so if it was
    asked for.
    """
    on_cpu = paddle.device.get_device() == "cpu"
    if engine == "paddle-inference":
        print(
            "note: Paddle draws: this generator has no graph for Paddle Inference", file=sys.stderr
        )
    if engine in ("auto", "openvino") and on_cpu:
        try:
            return _openvino(net, precision)
        except EngineUnavailable as error:
            if engine == "openvino" or precision == "bf16":
                print(f"note: Paddle computes instead of OpenVINO: {error}", file=sys.stderr)
    return net


def _openvino(net: MobileStyleGAN, precision: str) -> EngineGenerator:
    version = openvino_engine.version()
    folder = engines.folder_for(weights_path("mobile_stylegan"), openvino_engine.NAME)
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    precisions = {**dict.fromkeys(GRAPHS, openvino_engine.quickest()), SHOWN: precision}
    for name, (what, size) in GRAPHS.items():
        inputs = {"w_plus": (1, net.n_styles, 512)}
        if name.endswith("_back"):
            inputs["towards"] = (1, 3, size, size)

        def graph(ops, w_plus, *towards, what=what):
            way = MobileGraph(ops, weights, w_plus)
            image = way.image(**what)
            return way.gradient(*towards) if towards else image

        openvino_engine.build(name, inputs, graph, folder)
    generator = EngineGenerator(net, engines.load_all(openvino_engine, precisions, folder))
    checks = Checks(folder, version)
    if checks.missing(precisions):
        _check(checks, generator, net, precisions)
    checks.require(precisions)
    return generator


def _check(
    checks: Checks, found: EngineGenerator, net: MobileStyleGAN, precisions: dict[str, str]
) -> None:
    """Draw the same codes with Paddle and by the graphs, there and back, and record how far they are apart."""
    z = np.random.default_rng(0).standard_normal((net.n_styles, 512)).astype(np.float32)
    with paddle.no_grad():
        w_plus = net.map(paddle.to_tensor(z)).unsqueeze(0)
        full = net(w_plus)
    error = engines.relative_rms(found(w_plus).numpy(), full.numpy())
    checks.record("full", precisions["full"], error)
    for name in ("half", "preview"):
        pairs = []
        for generator in (found, net):
            codes = w_plus.clone()
            codes.stop_gradient = False
            image = generator(codes, half=True) if name == "half" else generator.preview(codes)
            (gradient,) = paddle.grad([image.square().mean()], [codes])
            pairs.append((image.numpy(), gradient.numpy()))
        for graph, a, b in zip((name, f"{name}_back"), *pairs):
            checks.record(graph, precisions[graph], engines.relative_rms(a, b))
