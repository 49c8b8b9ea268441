"""The layers of CycleGAN once more, in NumPy and float64, from their definitions."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv(x, weight, stride=1, padding=0, bias=None, mode="constant"):
    """Cross-correlation of x [N, I, H, W] with weight [O, I, k, k]."""
    around = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    windows = sliding_window_view(np.pad(x, around, mode), weight.shape[2:], axis=(2, 3))
    out = np.einsum("nihwkl,oikl->nohw", windows[:, :, ::stride, ::stride], weight)
    return out if bias is None else out + bias[:, None, None]


def transposed(x, weight, stride=2, padding=1, output_padding=1):
    """Every pixel stamps the kernel, weight [I, O, k, k], times its value onto the result."""
    n, _, height, width = x.shape
    _, out, k, _ = weight.shape
    canvas = np.zeros(
        (
            n,
            out,
            (height - 1) * stride + k + output_padding,
            (width - 1) * stride + k + output_padding,
        )
    )
    for row in range(height):
        for column in range(width):
            stamp = np.einsum("ni,iokl->nokl", x[:, :, row, column], weight)
            canvas[
                :, :, row * stride : row * stride + k, column * stride : column * stride + k
            ] += stamp
    return canvas[:, :, padding : canvas.shape[2] - padding, padding : canvas.shape[3] - padding]


def norm(x):
    mean, variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5)


def relu(x):
    return np.maximum(x, 0)


def resized(x, weight):
    """Every pixel four times, then a convolution with weight [O, I, 3, 3]."""
    return conv(x.repeat(2, axis=2).repeat(2, axis=3), weight, 1, 1, mode="reflect")


def generator(w, x, blocks, planes=(), up=transposed):
    """w: weights by name; planes: the numbers in the constant channels; up: how the resolution is doubled."""
    if planes:
        x = np.concatenate([x, *(np.full_like(x[:, :1], value) for value in planes)], axis=1)
        x = relu(conv(x, w["first.weight"], 1, 3, w["first.bias"], "reflect"))
    else:
        x = relu(norm(conv(x, w["first.weight"], 1, 3, mode="reflect")))
    x = relu(norm(conv(x, w["down1.weight"], 2, 1)))
    x = relu(norm(conv(x, w["down2.weight"], 2, 1)))
    for i in range(blocks):
        y = relu(norm(conv(x, w[f"blocks.{i}.conv1.weight"], 1, 1, mode="reflect")))
        x = x + norm(conv(y, w[f"blocks.{i}.conv2.weight"], 1, 1, mode="reflect"))
    x = relu(norm(up(x, w["up1.weight"])))
    x = relu(norm(up(x, w["up2.weight"])))
    return np.tanh(conv(x, w["last.weight"], 1, 3, w["last.bias"], "reflect"))


def discriminator(w, x):
    x = conv(x, w["convs.0.weight"], 2, 1, w["convs.0.bias"])
    for i, stride in ((1, 2), (2, 2), (3, 1)):
        x = norm(conv(np.where(x > 0, x, 0.2 * x), w[f"convs.{i}.weight"], stride, 1))
    return conv(np.where(x > 0, x, 0.2 * x), w["convs.4.weight"], 1, 1, w["convs.4.bias"])
