"""SAM's encoder and decoder as graphs of primitive operations, which serve every engine and every export.

Everything constant is folded: batch norm into the convolution before it, run-time scales and sqrt(2) into weights, the
first convolutions of all style heads of a level into one. The style scales the feature map, not the weight: engines
prepare constant weights once, and a batch needs no groups.

`ops` makes the nodes (see ops.py), `w` maps this package's parameter names to arrays.
"""

from __future__ import annotations

import math

import numpy as np

from work.inference.engines.ops import Node, Ops, Weights
from work.models.encoders.irse import STAGES
from work.models.encoders.psp_encoders import COARSE_END, MIDDLE_END
from work.models.ops.upfirdn2d import make_kernel, phase_filters

BLUR = make_kernel([1, 3, 3, 1]) * 4


def norm(w: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm in evaluation mode as scale and shift, [C] each."""
    scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}._variance"] + 1e-5)
    return scale, w[f"{name}.bias"] - w[f"{name}._mean"] * scale


def by_output(scale: np.ndarray) -> np.ndarray:
    return scale.reshape(-1, 1, 1, 1)


def _block(ops: Ops, x: Node, w: Weights, name: str, stride: int, widens: bool) -> Node:
    """One bottleneck of IR-SE50. Its first batch norm cannot be folded: zero padding comes after it."""
    shortcut = x
    if widens:
        scale, shift = norm(w, f"{name}.shortcut_layer.1")
        weight = w[f"{name}.shortcut_layer.0.weight"] * by_output(scale)
        shortcut = ops.conv(x, weight, shift, stride=stride)
    elif stride > 1:
        shortcut = ops.every(x, stride)
    scale, shift = norm(w, f"{name}.res_layer.0")
    y = ops.scale_shift(x, scale, shift)
    y = ops.conv(y, w[f"{name}.res_layer.1.weight"], pad=1)
    y = ops.prelu(y, w[f"{name}.res_layer.2._weight"])
    scale, shift = norm(w, f"{name}.res_layer.4")
    y = ops.conv(y, w[f"{name}.res_layer.3.weight"] * by_output(scale), shift, stride=stride, pad=1)
    gate = ops.relu(ops.conv(ops.mean(y), w[f"{name}.res_layer.5.fc1.weight"]))
    gate = ops.sigmoid(ops.conv(gate, w[f"{name}.res_layer.5.fc2.weight"]))
    return ops.add(ops.mul(y, gate), shortcut)


def _interpolation(size: int) -> np.ndarray:
    """Bilinear up-sampling by two along one axis, corners aligned, as a matrix [2 * size, size]."""
    matrix = np.zeros((2 * size, size), np.float32)
    for row in range(2 * size):
        place = row * (size - 1) / (2 * size - 1)
        low = min(int(place), size - 2)
        matrix[row, low] += 1 - (place - low)
        matrix[row, low + 1] += place - low
    return matrix


def encoder(ops: Ops, x: Node, w: Weights, n_styles: int) -> Node:
    """Inputs [N, C, 256, 256] -> codes [N, n_styles, 512]; `w` holds a GradualStyleEncoder's parameters."""
    scale, shift = norm(w, "input_layer.1")
    x = ops.conv(x, w["input_layer.0.weight"] * by_output(scale), shift, pad=1)
    x = ops.prelu(x, w["input_layer.2._weight"])
    maps, index, channels = [], 0, 64
    for depth, count in STAGES[50]:
        for i in range(count):
            x = _block(ops, x, w, f"body.{index}", 2 if i == 0 else 1, channels != depth)
            index, channels = index + 1, depth
        maps.append(x)
    _, fine, middle, coarse = maps
    middle = ops.conv(middle, w["latlayer1.weight"], w["latlayer1.bias"])
    middle = ops.add(middle, ops.resize(coarse, _interpolation(16)))
    fine = ops.conv(fine, w["latlayer2.weight"], w["latlayer2.bias"])
    fine = ops.add(fine, ops.resize(middle, _interpolation(32)))
    codes = _heads(ops, coarse, w, range(0, min(COARSE_END, n_styles)), 16)
    codes += _heads(ops, middle, w, range(COARSE_END, min(MIDDLE_END, n_styles)), 32)
    codes += _heads(ops, fine, w, range(MIDDLE_END, n_styles), 64)
    return ops.concat([ops.reshape(code, [-1, 1, 512]) for code in codes], axis=1)


def _heads(ops: Ops, x: Node, w: Weights, styles: range, spatial: int) -> list[Node]:
    """The style heads that read one map; their first convolutions are joined into a wide one."""
    if not len(styles):
        return []
    weight = np.concatenate([w[f"styles.{s}.convs.0.weight"] for s in styles])
    bias = np.concatenate([w[f"styles.{s}.convs.0.bias"] for s in styles])
    x = ops.leaky(ops.conv(x, weight, bias, stride=2, pad=1), 0.01)
    codes = []
    for i, s in enumerate(styles):
        y = ops.channels(x, 512 * i, 512 * (i + 1))
        for c in range(1, int(math.log2(spatial))):
            name = f"styles.{s}.convs.{2 * c}"
            y = ops.conv(y, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, pad=1)
            y = ops.leaky(y, 0.01)
        linear = w[f"styles.{s}.linear.weight"] / math.sqrt(512)
        y = ops.matmul(ops.reshape(y, [-1, 512]), linear)
        codes.append(ops.add(y, w[f"styles.{s}.linear.bias"].reshape(1, -1)))
    return codes


def decoder(ops: Ops, w_plus: Node, w: Weights) -> Node:
    """w_plus [N, n_styles, 512] -> images [N, 3, S, S] with the stored noise; `w` a Generator's parameters."""
    levels = sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in w)
    x = ops.constant(w["input.input"])
    x = _styled(ops, x, ops.style(w_plus, 0), w, "conv1", 0, up=False)
    skip = _to_rgb(ops, x, ops.style(w_plus, 1), w, "to_rgb1", None)
    for level in range(levels):
        i = 2 * level + 1
        x = _styled(ops, x, ops.style(w_plus, i), w, f"convs.{i - 1}", i, up=True)
        x = _styled(ops, x, ops.style(w_plus, i + 1), w, f"convs.{i}", i + 1, up=False)
        skip = _to_rgb(ops, x, ops.style(w_plus, i + 2), w, f"to_rgbs.{level}", skip)
    return skip


def _modulation(ops: Ops, style: Node, w: Weights, name: str) -> Node:
    scale = w[f"{name}.modulation.weight"] / math.sqrt(512)
    return ops.add(ops.matmul(style, scale), w[f"{name}.modulation.bias"].reshape(1, -1))


def _styled(ops: Ops, x: Node, style: Node, w: Weights, name: str, index: int, up: bool) -> Node:
    """Modulate, convolve (and up-sample), demodulate, add noise and bias, leaky ReLU; sqrt(2) is folded."""
    weight = w[f"{name}.conv.weight"][0]
    weight = weight / math.sqrt(weight[0].size)
    s = _modulation(ops, style, w, f"{name}.conv")
    energy = (weight**2).sum(axis=(2, 3)).T
    demodulation = ops.rsqrt(ops.add(ops.matmul(ops.mul(s, s), energy), np.float32(1e-8)))
    x = ops.mul(x, ops.reshape(s, [-1, weight.shape[1], 1, 1]))
    if up:
        x = ops.conv_transpose(x, weight)
        x = ops.depthwise(x, BLUR[::-1, ::-1] * math.sqrt(2))
    else:
        x = ops.conv(x, weight * math.sqrt(2), pad=1)
    x = ops.scale_shift(x, demodulation, w[f"{name}.activate.bias"] * math.sqrt(2))
    strength = w[f"{name}.noise.weight"] * math.sqrt(2)
    x = ops.add(x, w[f"noises.noise_{index}"] * strength.reshape(1, 1, 1, 1))
    return ops.leaky(x, 0.2)


def _to_rgb(ops: Ops, x: Node, style: Node, w: Weights, name: str, skip: Node) -> Node:
    weight = w[f"{name}.conv.weight"][0]
    s = _modulation(ops, style, w, f"{name}.conv")
    x = ops.mul(x, ops.reshape(s, [-1, weight.shape[1], 1, 1]))
    x = ops.conv(x, weight / math.sqrt(weight.shape[1]), w[f"{name}.bias"].reshape(-1))
    if skip is None:
        return x
    filters = phase_filters(BLUR, 2, (2, 2))[:, None]
    wide = np.zeros((12, 3, *filters.shape[2:]), np.float32)
    for channel in range(3):
        wide[4 * channel : 4 * channel + 4, channel] = filters[:, 0]
    return ops.add(x, ops.pixel_shuffle(ops.conv(skip, wide, pad=1)))
