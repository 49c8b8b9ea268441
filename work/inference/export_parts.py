"""Which graphs each model is exported as, one face at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import numpy as np
import paddle

from work.errors import UserError
from work.inference.engines import reaging
from work.inference.engines.cache import flat_squares
from work.inference.engines.engine import Shapes
from work.inference.engines.sam import graph_of
from work.models.checkpoint import LazyState
from work.models.psp import PSP, add_age_channel
from work.models.reaging.unet import ReagingNet

FACE, AGE = (1, 3, 256, 256), (1,)


@dataclass
class Part:
    """One of the graphs."""

    inputs: Shapes
    output: str
    graph: Callable[..., Any]  # makes it from primitives, see engines/ops.py
    reference: Callable[..., paddle.Tensor]  # the same by Paddle
    example: Callable[[int], list[np.ndarray]]  # inputs by seed


def reaging_parts(net: ReagingNet, size: int) -> dict[str, Part]:
    """The graph of the direct model, for faces of `size` pixels: `reaging`, the difference that makes up an age."""
    graph, example = partial(reaging.graph_of, net, size), partial(reaging.example, size)
    return {reaging.NAME: Part(reaging.inputs_of(size), "change", graph, net, example)}


def sam_parts(net: PSP, weights: LazyState) -> dict[str, Part]:
    """The graphs of SAM or pSp.

    These are `start` (SAM only), which does not depend on the age, so that a server runs it once per photo; `encoder`;
    `generator`.

    Args:
        net: with its weights, on the CPU.
        weights: its state by parameter name.

    Raises:
        UserError: the network has no graphs.
    """
    if not net.has_graphs:
        raise UserError(
            "only encoders with a feature pyramid (GradualStyleEncoder, LightStyleEncoder) can be exported"
        )
    n, mean = net.n_styles, net.latent_avg.numpy()[None]
    codes = (1, n, 512)
    own, generator = weights.part("encoder."), weights.part("decoder.")

    def start(ops, face):
        w = weights.part("pretrained_encoder.")
        return ops.add(graph_of("encoder", w, n, ops, face), mean)

    def sam_encoder(ops, face, age, start):
        plane = np.full((1, 1, 256, 256), 0.01, np.float32)
        plane = ops.mul(ops.reshape(age, [1, 1, 1, 1]), plane)
        inputs = ops.concat([face, plane], 1)
        return ops.add(graph_of("encoder", own, n, ops, inputs), start)

    def psp_encoder(ops, face):
        result = graph_of("encoder", own, n, ops, face)
        return ops.add(result, mean) if net.start_from_latent_avg else result

    def part(inputs: Shapes, output: str, graph: Any, reference: Any) -> Part:
        return Part(inputs, output, graph, reference, partial(_sam_example, inputs, mean))

    parts = {}
    if net.start_from_encoded_w_plus:
        parts["start"] = part({"face": FACE}, "start", start, net.pretrained_codes)
        inputs = {"face": FACE, "target_age": AGE, "start": codes}
        parts["encoder"] = part(
            inputs, "w_plus", sam_encoder, lambda f, a, s: net.encode(add_age_channel(f, a), s)
        )
    else:
        parts["encoder"] = part({"face": FACE}, "w_plus", psp_encoder, net.encode)
    parts["generator"] = part(
        {"w_plus": codes},
        "image",
        lambda ops, x: graph_of("decoder", generator, n, ops, x),
        net.decode,
    )
    return parts


def _sam_example(inputs: Shapes, mean: np.ndarray, seed: int) -> list[np.ndarray]:
    """Seeded inputs: a picture of flat squares, an age in years, codes near the mean latent."""
    rng = np.random.default_rng(seed)
    made = {
        "face": flat_squares(rng, FACE),
        "target_age": rng.uniform(0, 100, 1),
    }
    codes = mean + rng.normal(0, 0.5, mean.shape)
    return [made.get(name, codes).astype(np.float32) for name in inputs]
