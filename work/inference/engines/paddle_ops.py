"""The primitives of ops.py as variables of a static Paddle program.

All matrix products are 2-D: with oneDNN, a broadcast product of 2-D by 4-D was measured to be 13 % off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F


class PaddleOps:
    """Ops in Paddle: adds operations to the current static program; arrays become parameters.

    Args:
        plain: give right results under Paddle's default passes too, not only as paddle_engine.py configures them.
    """

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain
        self.values: dict[str, np.ndarray] = {}

    def constant(self, array: Any) -> Any:
        """See Ops; a parameter gets its values from `fill`."""
        if not isinstance(array, (np.ndarray, np.generic, list)):
            return array
        array = np.ascontiguousarray(array, dtype=np.float32)
        name = f"constant_{len(self.values)}"
        self.values[name] = array
        zero = paddle.nn.initializer.Constant(0.0)
        return paddle.static.create_parameter(
            list(array.shape), "float32", name=name, default_initializer=zero
        )

    def fill(self, scope: Any) -> None:
        """Put the arrays into the parameters, once the start-up program has made them."""
        for name, array in self.values.items():
            scope.find_var(name).get_tensor().set(array, paddle.CPUPlace())

    def conv(
        self, x: Any, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 0
    ) -> Any:
        bias = None if bias is None else self.constant(np.reshape(bias, -1))
        return F.conv2d(x, self.constant(weight), bias, stride=stride, padding=pad)

    def conv_transpose(self, x: Any, weight: np.ndarray) -> Any:
        return F.conv2d_transpose(x, self.constant(weight.transpose(1, 0, 2, 3)), stride=2)

    def depthwise(self, x: Any, kernel: np.ndarray) -> Any:
        channels = x.shape[1]
        weight = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
        return F.conv2d(x, self.constant(weight), padding=1, groups=channels)

    def grouped(
        self, x: Any, weight: np.ndarray, bias: Any = None, stride: int = 1, pad: int = 1
    ) -> Any:
        bias = None if bias is None else self.constant(np.reshape(bias, -1))
        return F.conv2d(x, self.constant(weight), bias, stride, pad, groups=len(weight))

    def add(self, x: Any, y: Any) -> Any:
        return paddle.add(x, self.constant(y))

    def sub(self, x: Any, y: Any) -> Any:
        return paddle.subtract(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return paddle.multiply(x, self.constant(y))

    def scale_shift(self, x: Any, scale: Any, shift: np.ndarray) -> Any:
        # A batch norm of mean 0 and variance 1 takes one pass over memory. Paddle's default passes would fold it into
        # the convolution before it, as if the scale were constant.
        channels = x.shape[1]
        if self.plain:
            scale = paddle.reshape(self.constant(scale), [1, channels, 1, 1])
            return self.add(self.mul(x, scale), np.reshape(shift, (1, channels, 1, 1)))
        mean, variance = (self.constant(np.full(channels, v)) for v in (0.0, 1.0))
        scale = paddle.reshape(self.constant(scale), [channels])
        return F.batch_norm(x, mean, variance, scale, self.constant(shift), epsilon=0.0)

    def matmul(self, x: Any, weight: np.ndarray) -> Any:
        return paddle.matmul(x, self.constant(weight))

    def prelu(self, x: Any, slope: np.ndarray) -> Any:
        return F.prelu(x, self.constant(slope))

    def leaky(self, x: Any, slope: float) -> Any:
        return F.leaky_relu(x, slope)

    def relu(self, x: Any) -> Any:
        return F.relu(x)

    def sigmoid(self, x: Any) -> Any:
        return F.sigmoid(x)

    def rsqrt(self, x: Any) -> Any:
        return paddle.rsqrt(x)

    def mean(self, x: Any) -> Any:
        return F.adaptive_avg_pool2d(x, 1)  # several times faster than oneDNN's mean

    def reshape(self, x: Any, shape: list[int]) -> Any:
        return paddle.reshape(x, shape)

    def concat(self, xs: list, axis: int) -> Any:
        return paddle.concat(xs, axis)

    def every(self, x: Any, stride: int) -> Any:
        return x[:, :, ::stride, ::stride]

    def channels(self, x: Any, start: int, end: int) -> Any:
        return x[:, start:end]

    def style(self, w_plus: Any, index: int) -> Any:
        return paddle.reshape(w_plus[:, index : index + 1], [-1, 512])

    def resize(self, x: Any, matrix: np.ndarray) -> Any:
        channels, large, small = x.shape[1], *matrix.shape
        across = self.constant(matrix.T)
        for rows in (small, large):
            x = paddle.matmul(paddle.reshape(x, [-1, small]), across)
            x = paddle.transpose(paddle.reshape(x, [-1, channels, rows, large]), [0, 1, 3, 2])
        return x

    def double(self, x: Any) -> Any:
        # As products with a matrix: oneDNN's interpolation raises an error in Paddle 3.3.1.
        side = x.shape[2]
        places = (np.arange(2 * side) + 0.5) / 2 - 0.5
        near = np.clip(places, 0, side - 1)[:, None] - np.arange(side)
        return self.resize(x, np.clip(1 - np.abs(near), 0, 1))

    def hide_constant(self, bias: np.ndarray, node: Any) -> Any:
        return self.constant(np.reshape(bias, (1, -1, 1, 1)))  # nothing here would join constants

    def pixel_shuffle(self, x: Any) -> Any:
        return F.pixel_shuffle(x, 2)

    def weave(self, x: Any) -> Any:
        side_by_side = paddle.reshape(x, [x.shape[0], 4, -1, *x.shape[2:]])
        return F.pixel_shuffle(
            paddle.reshape(paddle.transpose(side_by_side, [0, 2, 1, 3, 4]), x.shape), 2
        )
