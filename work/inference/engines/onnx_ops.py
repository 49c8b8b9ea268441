"""The primitives of ops.py as ONNX nodes (operator set 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 13


@dataclass(frozen=True)
class Value:
    """A tensor of the graph; `channels` is known if a convolution made it."""

    name: str
    channels: int = 0


class OnnxOps:
    """Ops in ONNX: collects the nodes of a graph and its constants, which are called initializers."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def constant(self, array: Any) -> Value:
        if isinstance(array, Value):
            return array
        return self._initializer(np.asarray(array, dtype=np.float32))

    def _initializer(self, array: np.ndarray) -> Value:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return Value(name)

    def _node(self, kind: str, *inputs: Any, channels: int = 0, **attributes: Any) -> Value:
        names = [self.constant(x).name for x in inputs]
        out = Value(f"{kind}_{len(self.nodes)}", channels)
        self.nodes.append(helper.make_node(kind, names, [out.name], name=out.name, **attributes))
        return out

    def _ints(self, values: list[int]) -> Value:
        return self._initializer(np.array(values, np.int64))

    def conv(
        self, x: Value, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 0
    ) -> Value:
        inputs = [x, weight] if bias is None else [x, weight, np.reshape(bias, -1)]
        where = dict(strides=[stride] * 2, pads=[pad] * 4)
        return self._node("Conv", *inputs, channels=weight.shape[0], **where)

    def conv_transpose(self, x: Value, weight: np.ndarray) -> Value:
        swapped = weight.transpose(1, 0, 2, 3)
        return self._node("ConvTranspose", x, swapped, channels=weight.shape[0], strides=[2, 2])

    def depthwise(self, x: Value, kernel: np.ndarray) -> Value:
        weight = np.broadcast_to(kernel, (x.channels, 1, *kernel.shape))
        return self._node("Conv", x, weight, group=x.channels, pads=[1] * 4)

    def grouped(
        self, x: Value, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 1
    ) -> Value:
        inputs = [x, weight] if bias is None else [x, weight, np.reshape(bias, -1)]
        where = dict(strides=[stride] * 2, pads=[pad] * 4, group=len(weight))
        return self._node("Conv", *inputs, channels=len(weight), **where)

    def add(self, x: Value, y: Any) -> Value:
        return self._node("Add", x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self._node("Sub", x, y)

    def mul(self, x: Value, y: Any) -> Value:
        return self._node("Mul", x, y)

    def scale_shift(self, x: Value, scale: Any, shift: np.ndarray) -> Value:
        if isinstance(scale, Value):
            scale = self.reshape(scale, [1, -1, 1, 1])
        else:
            scale = np.reshape(scale, (1, -1, 1, 1))
        return self.add(self.mul(x, scale), np.reshape(shift, (1, -1, 1, 1)))

    def matmul(self, x: Value, weight: np.ndarray) -> Value:
        return self._node("MatMul", x, weight)

    def prelu(self, x: Value, slope: np.ndarray) -> Value:
        return self._node("PRelu", x, np.reshape(slope, (-1, 1, 1)))

    def leaky(self, x: Value, slope: float) -> Value:
        return self._node("LeakyRelu", x, alpha=slope)

    def relu(self, x: Value) -> Value:
        return self._node("Relu", x)

    def sigmoid(self, x: Value) -> Value:
        return self._node("Sigmoid", x)

    def rsqrt(self, x: Value) -> Value:
        return self._node("Reciprocal", self._node("Sqrt", x))

    def mean(self, x: Value) -> Value:
        return self._node("GlobalAveragePool", x)

    def reshape(self, x: Value, shape: list[int]) -> Value:
        return self._node("Reshape", x, self._ints(shape))

    def concat(self, xs: list, axis: int) -> Value:
        return self._node("Concat", *xs, axis=axis)

    def every(self, x: Value, stride: int) -> Value:
        return self._slice(x, [0, 0], [2**31 - 1] * 2, [2, 3], [stride] * 2)

    def channels(self, x: Value, start: int, end: int) -> Value:
        return self._slice(x, [start], [end], [1], [1])

    def style(self, w_plus: Value, index: int) -> Value:
        return self.reshape(self._slice(w_plus, [index], [index + 1], [1], [1]), [-1, 512])

    def _slice(self, x: Value, *what: list[int]) -> Value:
        return self._node("Slice", x, *map(self._ints, what))

    def resize(self, x: Value, matrix: np.ndarray) -> Value:
        return self._node("MatMul", matrix, self.matmul(x, matrix.T))

    def double(self, x: Value) -> Value:
        region, scales = self.constant(np.zeros(0)), self.constant([1, 1, 2, 2])
        centred = "half_pixel"
        return self._node(
            "Resize", x, region, scales, mode="linear", coordinate_transformation_mode=centred
        )

    def hide_constant(self, bias: np.ndarray, node: Value) -> Value:
        return self.constant(np.reshape(bias, (1, -1, 1, 1)))  # nothing here would join constants

    def pixel_shuffle(self, x: Value) -> Value:
        return self._node("DepthToSpace", x, blocksize=2, mode="CRD")

    def weave(self, x: Value) -> Value:
        return self._node("DepthToSpace", x, blocksize=2, mode="DCR")
