"""The small generator as a graph of primitive operations, and its gradient.

Engines do not differentiate, so the backward pass, which inverting photos needs, is written out as well.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from work.inference.engines.ops import GradientOps, Node, Ops, Weights
from work.models.mobile_stylegan import N_STYLES, WIDTHS

HAAR = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], np.float32)


class MobileGraph:
    """Builds graphs of the generator.

    Args:
        ops: the primitives; GradientOps for the gradient.
        w: the parameters of a MobileStyleGAN.
        w_plus: the codes [1, N_STYLES, 512].
    """

    def __init__(self, ops: Ops, w: Weights, w_plus: Node):
        self.ops, self.w, self.w_plus = ops, w, w_plus
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
            return ops.add(self._conv(x, weight[::4]), bias[:, ::4])
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
                g = ops.conv(ops.pixel_unshuffle(g), kept[0].transpose(1, 0, 2, 3))
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
        """Inverse Haar transform; in engines a dense 1x1 convolution is quicker than a grouped one."""
        weight = np.kron(np.eye(channels // 4, dtype=np.float32), HAAR)[:, :, None, None]
        self.tape.append(("haar", weight))
        return self.ops.pixel_shuffle(self.ops.conv(x, weight))

    def _averages(self, x: Node, channels: int) -> Node:
        """The LL bands: the means of the 2 x 2 pixels that the Haar transform would make."""
        weight = np.eye(channels, dtype=np.float32)[:, ::4, None, None]
        self.tape.append(("averages", weight))
        return self.ops.conv(x, weight.transpose(1, 0, 2, 3))
