"""The light style encoder as a graph of primitive operations; batch norms are folded into the convolutions before."""

from __future__ import annotations

import math

import numpy as np

from work.inference.engines.ops import Node, Ops, Weights
from work.inference.engines.sam_graph import by_output, norm
from work.models.encoders.light import AXES, FARTHEST, HEAD, SLOPE, STAGES
from work.models.encoders.psp_encoders import COARSE_END, MIDDLE_END

SPATIAL = 8, 16, 32  # px of the maps


def light_encoder(ops: Ops, x: Node, w: Weights, n_styles: int) -> Node:
    """Inputs [1, C, 256, 256] -> codes [1, n_styles, 512]; `w` holds a LightStyleEncoder's parameters."""

    def folded(name: str) -> tuple[np.ndarray, np.ndarray]:
        scale, shift = norm(w, f"{name}.1")
        return w[f"{name}.0.weight"] * by_output(scale), shift

    def block(name: str, x: Node, stride: int, same: bool) -> Node:
        y = ops.relu(ops.conv(x, *folded(f"{name}.widen")))
        y = ops.relu(ops.grouped(y, *folded(f"{name}.depthwise"), stride=stride))
        y = ops.conv(y, *folded(f"{name}.narrow"))
        return ops.add(x, y) if same else y

    def lateral(i: int, x: Node) -> Node:
        return ops.conv(x, w[f"lateral.{i}.weight"], w[f"lateral.{i}.bias"])

    def style(name: str, x: Node, spatial: int) -> Node:
        for i in range(int(math.log2(spatial))):
            depthwise, mix = f"{name}.depthwise.{i}", f"{name}.mix.{i}"
            y = ops.grouped(x, w[f"{depthwise}.weight"], w[f"{depthwise}.bias"], stride=2)
            y = ops.leaky(ops.conv(y, w[f"{mix}.weight"], w[f"{mix}.bias"]), SLOPE)
            x = ops.add(ops.grouped(x, np.full([HEAD, 1, 2, 2], 0.25), stride=2, pad=0), y)
        weight, bias = w[f"{name}.linear.weight"], w[f"{name}.linear.bias"]
        x = ops.matmul(ops.reshape(x, [1, -1]), weight)
        return ops.reshape(ops.add(x, bias.reshape(1, -1)), [1, 1, 512])

    x = ops.relu(ops.conv(x, *folded("input_layer"), stride=2, pad=1))
    features = []
    for stage, (_, count) in enumerate(STAGES):
        for i in range(count):
            x = block(f"body.{stage}.{i}", x, 2 if i == 0 else 1, i > 0)
        features.append(x)
    fine, middle, coarse = (lateral(i, feature) for i, feature in enumerate(features[1:]))
    middle = ops.add(middle, ops.double(coarse))
    fine = ops.add(fine, ops.double(middle))
    codes = []
    for i in range(n_styles):
        level = (i >= COARSE_END) + (i >= MIDDLE_END)
        codes.append(style(f"styles.{i}", (coarse, middle, fine)[level], SPATIAL[level]))
    codes = ops.concat(codes, 1)
    if "scatter" not in w:
        return codes
    # Layers become channels and are averaged by a convolution: OpenVINO fails at so many sums in a row.
    layers = ops.reshape(codes, [1, n_styles, 512, 1])
    mean = np.full([1, n_styles, 1, 1], 1 / n_styles, np.float32)
    mean = ops.reshape(ops.conv(layers, mean, np.zeros(1, np.float32)), [1, 512])
    squared = ops.matmul(ops.mul(mean, mean), np.full([512, 512], FARTHEST**-2, np.float32))
    mean = ops.mul(mean, ops.rsqrt(ops.add(squared, np.float32(1))))
    # The last numbers of the mean alone count.
    scatter = np.pad(w["scatter"], ((512 - AXES, 0), (0, 0)))
    shift = ops.matmul(mean, scatter)
    return ops.concat([ops.reshape(shift, [1, 1, 512])] * n_styles, 1)
