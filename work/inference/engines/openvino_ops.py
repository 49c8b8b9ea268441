"""The primitives of ops.py as OpenVINO nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as op


class OpenVinoOps:
    """GradientOps in OpenVINO; arrays become constants."""

    def constant(self, array: Any) -> Any:
        if isinstance(array, (ov.Node, ov.Output)):
            return array
        return op.constant(np.ascontiguousarray(array, dtype=np.float32))

    def conv(
        self, x: Any, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 0
    ) -> Any:
        y = op.convolution(x, self.constant(weight), [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
        return y if bias is None else self.add(y, np.reshape(bias, (1, -1, 1, 1)))

    def conv_transpose(self, x: Any, weight: np.ndarray) -> Any:
        swapped = self.constant(weight.transpose(1, 0, 2, 3))
        return op.convolution_backprop_data(x, swapped, [2, 2])

    def depthwise(self, x: Any, kernel: np.ndarray) -> Any:
        return self.grouped(x, np.broadcast_to(kernel, (self.count_channels(x), 1, *kernel.shape)))

    def count_channels(self, x: Any) -> int:
        return x.get_output_partial_shape(0)[1].get_length()

    def grouped(
        self, x: Any, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 1
    ) -> Any:
        places = [stride] * 2, [pad] * 2, [pad] * 2, [1, 1]
        y = op.group_convolution(x, self.constant(weight[:, :, None]), *places)
        return y if bias is None else self.add(y, np.reshape(bias, (1, -1, 1, 1)))

    def add(self, x: Any, y: Any) -> Any:
        return op.add(x, self.constant(y))

    def sub(self, x: Any, y: Any) -> Any:
        return op.subtract(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return op.multiply(x, self.constant(y))

    def scale_shift(self, x: Any, scale: Any, shift: np.ndarray) -> Any:
        computed = isinstance(scale, (ov.Node, ov.Output))
        shift = self.hide_constant(shift, scale) if computed else np.reshape(shift, (1, -1, 1, 1))
        scale = self.reshape(self.constant(scale), [1, -1, 1, 1])
        return self.add(self.mul(x, scale), shift)

    def hide_constant(self, bias: np.ndarray, node: Any) -> Any:
        # If a noise map is added next, OpenVINO would add the two constants when it compiles the graph, and store and
        # load sums as large as the feature maps, 400 MB in all at 1024 px.
        zero = self.mul(self.channels(node, 0, 1), 0.0)
        return self.reshape(self.add(zero, np.reshape(bias, (1, -1))), [1, -1, 1, 1])

    def matmul(self, x: Any, weight: np.ndarray) -> Any:
        return op.matmul(x, self.constant(weight), False, False)

    def prelu(self, x: Any, slope: np.ndarray) -> Any:
        return op.prelu(x, self.constant(slope))

    def leaky(self, x: Any, slope: float) -> Any:
        return op.prelu(x, self.constant([slope]))

    def relu(self, x: Any) -> Any:
        return op.relu(x)

    def sigmoid(self, x: Any) -> Any:
        return op.sigmoid(x)

    def rsqrt(self, x: Any) -> Any:
        return op.power(x, self.constant(-0.5))

    def mean(self, x: Any) -> Any:
        return op.reduce_mean(x, op.constant([2, 3]), keep_dims=True)

    def sum(self, x: Any) -> Any:
        return op.reduce_sum(x, op.constant([2, 3]), keep_dims=True)

    def slope(self, y: Any, slope: float) -> Any:
        positive = op.greater(y, self.constant([0.0]))
        return op.select(positive, self.constant([1.0]), self.constant([slope]))

    def reshape(self, x: Any, shape: list[int]) -> Any:
        return op.reshape(x, op.constant(np.array(shape, np.int64)), False)

    def concat(self, xs: list, axis: int) -> Any:
        return op.concat(xs, axis)

    def every(self, x: Any, stride: int) -> Any:
        return self._slice(x, [0, 0], [2**31 - 1] * 2, [stride] * 2, [2, 3])

    def channels(self, x: Any, start: int, end: int) -> Any:
        return self._slice(x, [start], [end], [1], [1])

    def style(self, w_plus: Any, index: int) -> Any:
        return self.reshape(self._slice(w_plus, [index], [index + 1], [1], [1]), [-1, 512])

    def _slice(self, x: Any, *what: list[int]) -> Any:
        return op.slice(x, *[op.constant(np.array(v, np.int64)) for v in what])

    def resize(self, x: Any, matrix: np.ndarray) -> Any:
        y = op.matmul(x, self.constant(matrix.T), False, False)
        return op.matmul(self.constant(matrix), y, False, False)

    def double(self, x: Any) -> Any:
        sizes = op.constant(np.array([2.0, 2.0], np.float32)), op.constant(np.array([2, 3]))
        return op.interpolate(
            x,
            sizes[0],
            "linear_onnx",
            "scales",
            [0],
            [0],
            "half_pixel",
            axes=sizes[1],
        )

    def pixel_shuffle(self, x: Any) -> Any:
        return op.depth_to_space(x, "depth_first", 2)

    def weave(self, x: Any) -> Any:
        return op.depth_to_space(x, "blocks_first", 2)

    def unweave(self, x: Any) -> Any:
        return op.space_to_depth(x, "blocks_first", 2)
