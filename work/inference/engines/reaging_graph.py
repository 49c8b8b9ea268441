"""The direct re-ageing network as a graph of primitive operations."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from work.inference.engines.ops import Node, Ops, Weights
from work.models.reaging.unet import CENTRE, SLOPE, WIDE

HALVE, SMOOTH = np.outer((1, 3, 3, 1), (1, 3, 3, 1)) / 64, np.outer((1, 2, 1), (1, 2, 1)) / 16


def reaging(
    ops: Ops, inputs: Sequence[Node], w: Weights, size: int, levels: int, depth: int
) -> Node:
    """What `ReagingNet` draws.

    Args:
        inputs: a face [1, 3, size, size] in [-1, 1], its own and the target age in years, [1] each.
        w: the parameters of a ReagingNet that halves the resolution `levels` times, with `depth` blocks at the lowest.

    Returns:
        The difference [1, 3, size, size].
    """

    def conv(name: str, x: Node, pad: int = 1) -> Node:
        return ops.conv(x, w[f"{name}.weight"], w[f"{name}.bias"], pad=pad)

    def end(name: str, x: Node) -> Node:
        return ops.leaky(ops.add(x, conv(f"{name}.conv2", x)), SLOPE)

    def block(name: str, x: Node) -> Node:
        return end(name, ops.leaky(conv(f"{name}.conv1", x), SLOPE))

    def filtered(x: Node, kernel: np.ndarray, channels: int, stride: int = 1) -> Node:
        return ops.grouped(
            x, np.broadcast_to(kernel, (channels, 1, *kernel.shape)), stride=stride, pad=1
        )

    face, *both = inputs
    ages = ops.concat([ops.reshape(age, [1, 1]) for age in both], 1)
    ages = ops.add(ops.mul(ages, np.full((1, 1), 1 / CENTRE)), np.full((1, 1), -1.0))
    first = w["first.conv1.weight"]
    x = ops.conv(face, on_pixels(first[:, :12]), w["first.conv1.bias"], stride=2, pad=2)
    planes = ops.mul(ops.reshape(ages, [1, 2, 1, 1]), np.ones((1, 1, size // 2, size // 2)))
    x = end("first", ops.leaky(ops.add(x, ops.conv(planes, first[:, 12:], pad=1)), SLOPE))
    skips = []
    for level in range(levels):
        skips.append(x)
        x = block(f"down.{level}", filtered(x, HALVE, w[f"down.{level}.conv1.weight"].shape[1], 2))
    told = ops.add(ops.matmul(ages, w["told.weight"][:, :, 0, 0].T), w["told.bias"][None])
    x = ops.add(x, ops.reshape(told, [1, -1, 1, 1]))
    for i in range(depth):
        name = f"deep.{i}"
        look = w[f"{name}.look.weight"], w[f"{name}.look.bias"]
        y = ops.leaky(conv(f"{name}.conv1", ops.grouped(x, *look, pad=WIDE // 2)), SLOPE)
        x = ops.add(x, conv(f"{name}.conv2", y))
    for i in range(levels):
        x = block(f"up.{i}", ops.add(skips.pop(), ops.double(conv(f"narrow.{i}", x, pad=0))))
    return filtered(ops.pixel_shuffle(conv("last", x)), SMOOTH, 3)


def on_pixels(weight: np.ndarray) -> np.ndarray:
    """A 3x3 convolution of squares of 2x2 pixels, [O, 4 C, 3, 3], as one of the pixels, [O, C, 6, 6], stride 2."""
    out, channels = len(weight), weight.shape[1] // 4
    weight = weight.reshape(out, channels, 2, 2, 3, 3)
    return weight.transpose(0, 1, 4, 2, 5, 3).reshape(out, channels, 6, 6)
