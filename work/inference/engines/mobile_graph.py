"""The small generator as a graph of primitive operations, and its gradient.

Engines do not differentiate, so the backward pass, which inverting photos needs, is written out as well.

The generator keeps the four Haar bands of each channel next to each other. Here channels are grouped by band, so that
sums of bands are sums of slices: in float32 with AVX2 that draws pictures 1.1 to 1.2 times as fast as a product with a
matrix, and gradients 1.2 times.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from work.inference.engines.ops import GradientOps, Node, Ops, Weights
from work.models.mobile_stylegan import N_STYLES, WIDTHS


class MobileGraph:
    """Builds graphs of the generator.

    Args:
        ops: the primitives; GradientOps for the gradient.
        w: the parameters of a MobileStyleGAN.
        w_plus: the codes [1, N_STYLES, 512].
    """

    def __init__(self, ops: Ops, w: Weights, w_plus: Node):
        self.ops, self.w, self.w_plus = ops, _band_by_band(w), w_plus
        self.tape: list[
            tuple
        ] = []  # what the backward pass needs of each operation, in forward order

    def image(self, half: bool = False, coarse: bool = False) -> Node:
        """[1, 3, 1024, 1024]; with `half` its 512 px box-downsample; with `coarse` the 256 px preview."""
        ops, w = self.ops, self.w
        x = self._scaled(ops.constant(w["const"]), 0, "conv1.style")
        x = self._noisy(self._conv(x, w["conv1.weight"]), "conv1")
        for level in range(len(WIDTHS)):
            name, first = f"layers.{level}", 1 + 3 * level
            averages = coarse and level == len(WIDTHS) - 1
            x = self._scaled(x, first, f"{name}.up")
            channels = len(w[f"{name}.up.bias"])
            x = self._averages(x, channels) if averages else self._haar(x, channels)
            for i in (1, 2):
                conv = f"{name}.conv{i}"
                x = self._depthwise(x, w[f"{conv}.depthwise"])
                # The scale commutes with the depthwise part and costs nothing after it.
                x = self._scaled(x, first + i, f"{conv}.style")
                x = self._noisy(self._conv(x, w[f"{conv}.weight"]), conv, averages)
        x = self._scaled(x, N_STYLES - 1, "to_img.style")
        weight, bias = w["to_img.weight"], w["to_img.bias"].reshape(1, -1, 1, 1)
        if half or coarse:  # the LL band is the box-downsampled image itself
            return ops.add(self._conv(x, weight[:3]), bias[:, :3])
        return self._haar(ops.add(self._conv(x, weight), bias), len(weight))

    def gradient(self, towards: Node) -> Node:
        """The gradient [1, N_STYLES, 512] with respect to the codes, given that of the image built before."""
        ops, g = cast(GradientOps, self.ops), towards
        styles: list[Node] = [None] * N_STYLES
        for kind, *kept in reversed(self.tape):
            if kind == "scale":
                x, s, index, weight = kept
                by_scale = ops.reshape(ops.sum(ops.mul(g, x)), [1, -1])
                styles[index] = ops.matmul(by_scale, weight.T)
                g = ops.mul(g, s)
            elif kind == "leaky":
                g = ops.mul(g, ops.slope(kept[0], 0.2))
            elif kind == "conv":
                back = kept[0].transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
                g = ops.conv(g, back, pad=kept[0].shape[2] // 2)
            elif kind == "depthwise":
                g = ops.grouped(g, kept[0][:, :, ::-1, ::-1])
            elif kind == "haar":
                g = self._mix_bands(ops.unweave(g), kept[0])  # its matrix is symmetric
            else:
                g = ops.conv(g, kept[0])
        return ops.concat([ops.reshape(g, [1, 1, -1]) for g in styles], axis=1)

    def _scaled(self, x: Node, index: int, name: str) -> Node:
        """Feature maps times the scales that a layer's style gives them."""
        ops, weight = self.ops, self.w[f"{name}.weight"]
        s = ops.matmul(ops.style(self.w_plus, index), weight)
        s = ops.reshape(ops.add(s, self.w[f"{name}.bias"].reshape(1, -1)), [1, -1, 1, 1])
        self.tape.append(("scale", x, s, index, weight))
        return ops.mul(x, s)

    def _conv(self, x: Node, weight: np.ndarray) -> Node:
        self.tape.append(("conv", weight))
        return self.ops.conv(x, weight, pad=weight.shape[2] // 2)

    def _depthwise(self, x: Node, weight: np.ndarray) -> Node:
        self.tape.append(("depthwise", weight))
        return self.ops.grouped(x, weight)

    def _noisy(self, x: Node, name: str, averages: bool = False) -> Node:
        """Add bias and noise (which averages out at half the resolution); leaky ReLU."""
        style = self.ops.style(self.w_plus, 0)
        x = self.ops.add(x, self.ops.hide_constant(self.w[f"{name}.bias"], style))
        if not averages:
            x = self.ops.add(x, self.w[f"{name}.noise"])
        y = self.ops.leaky(x, 0.2)
        self.tape.append(("leaky", y))
        return y

    def _haar(self, x: Node, channels: int) -> Node:
        """Inverse Haar transform."""
        self.tape.append(("haar", channels))
        return self.ops.weave(self._mix_bands(x, channels))

    def _mix_bands(self, x: Node, channels: int) -> Node:
        """From four bands the four pixels of a square, each `channels` / 4 maps."""
        ops, count = self.ops, channels // 4
        ll, lh, hl, hh = (ops.channels(x, i * count, (i + 1) * count) for i in range(4))
        above, below = ops.add(ll, lh), ops.sub(ll, lh)
        left, right = ops.add(hl, hh), ops.sub(hl, hh)
        squares = [ops.add(above, left), ops.sub(above, left)]
        return ops.concat([*squares, ops.add(below, right), ops.sub(below, right)], axis=1)

    def _averages(self, x: Node, channels: int) -> Node:
        """The LL bands: the means of the 2 x 2 pixels that the Haar transform would make."""
        weight = np.eye(channels, dtype=np.float32)[:, : channels // 4, None, None]
        self.tape.append(("averages", weight))
        return self.ops.channels(x, 0, channels // 4)


def _band_by_band(w: Weights) -> dict[str, np.ndarray]:
    """The weights, with channels that are Haar bands in the order of this file."""

    def moved(array: np.ndarray, axis: int) -> np.ndarray:
        order = np.arange(array.shape[axis]).reshape(-1, 4).T.ravel()
        return array.take(order, axis)

    changed = {name: moved(w[name], 0) for name in ("to_img.weight", "to_img.bias")}
    for level in range(len(WIDTHS)):
        before, up = f"layers.{level - 1}.conv2" if level else "conv1", f"layers.{level}.up"
        changed.update({name: moved(w[name], 0) for name in (f"{before}.weight", f"{before}.bias")})
        changed.update({f"{up}.weight": moved(w[f"{up}.weight"], 1)})
        changed.update({f"{up}.bias": moved(w[f"{up}.bias"], 0)})
    return {**w, **changed}
