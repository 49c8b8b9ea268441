"""The primitive operations in which the files *_graph.py write the networks.

Each engine implements them with its own nodes: OpenVinoOps, PaddleOps, OnnxOps. Nodes are tensors of a graph that is
being built; constants are numpy arrays. Feature maps are [N, C, H, W].
"""

from __future__ import annotations

from typing import Any, Mapping, Protocol

import numpy as np

Node = Any
Weights = Mapping[str, np.ndarray]  # a network's parameters by name


class Ops(Protocol):
    """What the graphs of the networks need."""

    def constant(self, array: Any) -> Node:
        """A numpy array as a float32 node; a node stays as it is."""

    def conv(
        self, x: Node, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 0
    ) -> Node:
        """Cross-correlate with weight [O, C, kh, kw] and add bias [O]; `pad` zeros on every side."""

    def conv_transpose(self, x: Node, weight: np.ndarray) -> Node:
        """Transposed convolution of stride 2 without padding; weight [O, C, 3, 3]."""

    def depthwise(self, x: Node, kernel: np.ndarray) -> Node:
        """Cross-correlate every channel of a convolution's result with one filter [kh, kw], padding 1."""

    def grouped(
        self, x: Node, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 1
    ) -> Node:
        """Depthwise convolution with a filter per channel, weight [C, 1, kh, kw], and a bias [C]."""

    def add(self, x: Node, y: Any) -> Node:
        """x + y, broadcast; y is a node or an array."""

    def sub(self, x: Node, y: Node) -> Node: ...

    def mul(self, x: Node, y: Any) -> Node:
        """x * y, broadcast; y is a node or an array."""

    def scale_shift(self, x: Node, scale: Any, shift: np.ndarray) -> Node:
        """Channels times `scale`, an array [C] or a node [1, C], plus `shift`, an array [C]."""

    def matmul(self, x: Node, weight: np.ndarray) -> Node:
        """[N, I] by weight [I, O]."""

    def prelu(self, x: Node, slope: np.ndarray) -> Node:
        """x where it is positive, else x times its channel's slope [C]."""

    def leaky(self, x: Node, slope: float) -> Node:
        """x where it is positive, else slope * x."""

    def relu(self, x: Node) -> Node: ...

    def sigmoid(self, x: Node) -> Node: ...

    def rsqrt(self, x: Node) -> Node: ...

    def mean(self, x: Node) -> Node:
        """The mean of each channel, [N, C, 1, 1]."""

    def reshape(self, x: Node, shape: list[int]) -> Node:
        """One entry of the shape may be -1."""

    def concat(self, xs: list, axis: int) -> Node: ...

    def every(self, x: Node, stride: int) -> Node:
        """Every `stride`-th row and column."""

    def channels(self, x: Node, start: int, end: int) -> Node:
        """The slice x[:, start:end]."""

    def style(self, w_plus: Node, index: int) -> Node:
        """One style of codes [N, n_styles, 512], as [N, 512]."""

    def resize(self, x: Node, matrix: np.ndarray) -> Node:
        """[N, C, s, s] -> [N, C, S, S], by a matrix [S, s] along both axes."""

    def double(self, x: Node) -> Node:
        """[N, C, s, s] -> [N, C, 2s, 2s], bilinearly, corners not aligned."""

    def hide_constant(self, bias: np.ndarray, node: Node) -> Node:
        """A bias [C] as [1, C, 1, 1] that is not a constant to the engine: it depends on a node [1, K] formally."""

    def pixel_shuffle(self, x: Node) -> Node:
        """[N, 4C, H, W] -> [N, C, 2H, 2W]; the four pixels that come of one lie side by side."""

    def weave(self, x: Node) -> Node:
        """As pixel_shuffle, but the C channels of each of the four pixels lie side by side."""


class GradientOps(Ops, Protocol):
    """What the gradient of the small generator needs as well; OpenVINO has it."""

    def sum(self, x: Node) -> Node:
        """The sum of each channel, [N, C, 1, 1]."""

    def slope(self, y: Node, slope: float) -> Node:
        """The derivative of a leaky ReLU whose output is y: 1 where y is positive, else `slope`."""

    def unweave(self, x: Node) -> Node:
        """[N, C, 2H, 2W] -> [N, 4C, H, W], the inverse of weave."""
