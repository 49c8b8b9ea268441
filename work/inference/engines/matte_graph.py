"""The person matte as a graph of primitive operations."""

from __future__ import annotations

import numpy as np
import paddle.nn.functional as F

from work.inference.engines.ops import Node, Ops, Weights
from work.models.person_matte import BLOCKS, SKIPS


def matte(ops: Ops, photo: Node, w: Weights) -> Node:
    """What `PersonMatte` sees: a photo [1, 3, SIZE, SIZE] in [-1, 1] -> its matte [1, 1, SIZE, SIZE] in [0, 1].

    Args:
        w: the parameters of a PersonMatte.
    """

    def conv(name: str, x: Node) -> Node:
        return ops.conv(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def depthwise(name: str, x: Node, stride: int = 1) -> Node:
        weight = w[f"{name}.weight"]
        pad = weight.shape[-1] // 2
        weight = weight if stride == 1 else behind(weight)
        return ops.grouped(x, weight, w[f"{name}.bias"], stride=stride, pad=pad)

    def attention(name: str, x: Node) -> Node:
        inner = ops.relu(conv(f"{name}.reduce", ops.mean(x)))
        return ops.sigmoid(conv(f"{name}.expand", inner))

    def swish(x: Node) -> Node:
        up, down = (ops.relu(ops.add(x, np.full((1, 1, 1, 1), shift))) for shift in (3.0, -3.0))
        both = ops.add(up, ops.mul(down, np.full((1, 1, 1, 1), -1.0)))
        return ops.mul(ops.mul(x, both), np.full((1, 1, 1, 1), 1 / 6))

    x = ops.mul(ops.add(photo, np.ones((1, 1, 1, 1))), np.full((1, 1, 1, 1), 0.5))
    x = stem = swish(ops.conv(x, behind(w["stem.weight"]), w["stem.bias"], stride=2, pad=1))
    features = []
    for i, (_, _, _, stride, attended, activation) in enumerate(BLOCKS):
        name, activate = f"blocks.{i}", ops.relu if activation is F.relu else swish
        y = activate(conv(f"{name}.expand", x))
        y = activate(depthwise(f"{name}.depthwise", y, stride))
        y = ops.mul(y, attention(f"{name}.attention", y)) if attended else y
        y = conv(f"{name}.project", y)
        x = ops.add(x, y) if stride == 1 else y
        features.append(x)
    values = ops.relu(conv("head.values", x))
    x = ops.mul(values, ops.sigmoid(conv("head.weights", ops.mean(x))))
    for i, skip in enumerate([*(features[j] for j in SKIPS), stem]):
        name = f"steps.{i}"
        x = conv(f"{name}.enter", ops.double(x))
        passed = ops.mul(skip, attention(f"{name}.attention", ops.add(skip, x)))
        x = ops.relu(conv(f"{name}.leave", ops.add(passed, x)))
        x = ops.add(x, ops.relu(depthwise(f"{name}.depthwise", x)))
    squares = w["last.weight"].reshape(-1, 4).T[:, :, None, None]
    return ops.sigmoid(ops.pixel_shuffle(ops.conv(x, squares, np.repeat(w["last.bias"], 4))))


def behind(weight: np.ndarray) -> np.ndarray:
    """A kernel with a zero row added above and a zero column on the left, where the padding is one pixel too large."""
    return np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0)))
