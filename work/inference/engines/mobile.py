"""The small generator on an engine, with the gradients that inverting photos needs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, Union

import numpy as np
import paddle
from paddle import Tensor

from work.inference.engines import openvino_engine
from work.inference.engines.cache import Checks, folder_for, load_all, relative_rms, stages
from work.inference.engines.engine import Engine, Run, first_usable
from work.inference.engines.graph import Graph
from work.inference.engines.mobile_graph import MobileGraph
from work.inference.engines.ops import GradientOps, Node, Weights
from work.models.mobile_stylegan import STYLE_DIM, MobileStyleGAN
from work.models.pretrained import weights_path

# Graphs by name: the size of the picture, and how MobileGraph draws it.
PICTURES: dict[str, tuple[int, dict[str, bool]]] = {
    "full": (MobileStyleGAN.size, {}),
    "half": (MobileStyleGAN.size // 2, {"half": True}),
    "preview": (MobileStyleGAN.size // 4, {"coarse": True}),
}
# Only full pictures are shown. The others are drafts for inverting photos and reading ages, so they have gradients, by
# graphs called half_back and preview_back, and use the CPU's quickest precision: in bf16 the codes came as close to the
# photos in half the time.
SHOWN, DRAFTS = "full", ("half", "preview")


class EngineGenerator:
    """Draws as a MobileStyleGAN does, with graphs, one sample at a time: w_plus [N, N_STYLES, 512] to images.

    Half and preview images have gradients with respect to the codes.
    """

    def __init__(self, net: MobileStyleGAN, runs: dict[str, Run]):
        self.map = net.map
        self.runs = {name: Graph(run) for name, run in runs.items()}

    def __call__(self, w_plus: Tensor, half: bool = False) -> Tensor:
        return self._draw("half", w_plus) if half else self.runs[SHOWN](w_plus)

    def preview(self, w_plus: Tensor) -> Tensor:
        return self._draw("preview", w_plus)

    def _draw(self, name: str, w_plus: Tensor) -> Tensor:
        if w_plus.stop_gradient:
            return self.runs[name](w_plus)
        return _Drawn.apply(w_plus, self.runs[name], self.runs[f"{name}_back"])


class _Drawn(paddle.autograd.PyLayer):
    """An image whose gradient another graph computes."""

    @staticmethod
    def forward(ctx: Any, w_plus: Tensor, run: Graph, back: Graph) -> Tensor:
        ctx.save_for_backward(w_plus)
        ctx.back = back
        return run(w_plus)

    @staticmethod
    def backward(ctx: Any, towards: Tensor) -> Tensor:
        (w_plus,) = ctx.saved_tensor()
        return ctx.back(w_plus, towards)


Generator = Union[MobileStyleGAN, EngineGenerator]


def fast_generator(net: MobileStyleGAN, choice: str, precision: str) -> Generator:
    """The generator on the engine that is asked for; `net` itself if that cannot be used.

    Args:
        choice: `--engine`, see `first_usable`; OpenVINO alone has graphs of this generator.
        precision: of what is shown, "fp32" or "bf16"; Paddle draws in fp32.
    """
    found = first_usable(choice, [openvino_engine], partial(_on_engine, net, precision))
    if found is None and precision == "bf16":
        print("note: Paddle draws in fp32; bf16 needs OpenVINO", file=sys.stderr)
    return found or net


def _on_engine(net: MobileStyleGAN, precision: str, engine: Engine) -> EngineGenerator:
    """The generator run by an engine's graphs, which are built and checked once. Raises EngineUnavailable."""
    version = engine.version()
    folder = folder_for(weights_path("mobile_stylegan"), engine.NAME)
    with stages(folder) as done:
        precisions = dict.fromkeys(_build(net, engine, folder), engine.quickest())
        precisions[SHOWN] = precision
        done()
        generator = EngineGenerator(net, load_all(engine, precisions, folder))
        done()
        checks = Checks(folder, version)
        if checks.missing(precisions):
            _check(checks, generator, net, precisions)
        done()
    checks.require(precisions)
    return generator


def _build(net: MobileStyleGAN, engine: Engine, folder: Path) -> list[str]:
    """Build all graphs, unless they are there; returns their names."""
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    codes = {"w_plus": (1, net.n_styles, STYLE_DIM)}
    for name, (size, how) in PICTURES.items():
        graph = partial(_graph, weights, how)
        engine.build(name, codes, graph, folder)
        if name in DRAFTS:
            engine.build(f"{name}_back", {**codes, "towards": (1, 3, size, size)}, graph, folder)
    return [*PICTURES, *(f"{name}_back" for name in DRAFTS)]


def _graph(weights: Weights, how: dict, ops: GradientOps, w_plus: Node, *towards: Node) -> Node:
    """Makes the graph of a picture or, given the node of the picture's gradient, of the codes' gradient."""
    graph = MobileGraph(ops, weights, w_plus)
    image = graph.image(**how)
    return graph.gradient(*towards) if towards else image


@paddle.enable_grad()  # models may be loaded where none is wanted
def _check(
    checks: Checks, found: EngineGenerator, net: MobileStyleGAN, precisions: dict[str, str]
) -> None:
    """Record how far the graphs' pictures and gradients are from Paddle's, for the same codes."""
    z = np.random.default_rng(0).standard_normal((net.n_styles, STYLE_DIM)).astype(np.float32)
    with paddle.no_grad():
        w_plus = net.map(paddle.to_tensor(z)).unsqueeze(0)
        error = relative_rms(found(w_plus).numpy(), net(w_plus).numpy())
    checks.record(SHOWN, precisions[SHOWN], error)
    for name in DRAFTS:
        pairs = []
        for generator in (found, net):
            codes = w_plus.clone()
            codes.stop_gradient = False
            image = generator(codes, half=True) if name == "half" else generator.preview(codes)
            (gradient,) = paddle.grad([image.square().mean()], [codes])
            pairs.append((image.numpy(), gradient.numpy()))
        for graph, a, b in zip((name, f"{name}_back"), *pairs):
            checks.record(graph, precisions[graph], relative_rms(a, b))
