"""Helpers of the operators that work directly on the memory of CPU tensors."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
import paddle
from paddle import Tensor

TOLERANCE = 1e-5  # allowed difference between an operator and Paddle's, relative to a tensor's largest number


def fits(*tensors: Optional[Tensor]) -> bool:
    """Whether the process runs on the CPU and all tensors that are not None are float32 there."""
    return (
        paddle.in_dynamic_mode()
        and paddle.device.get_device() == "cpu"
        and all(
            t.place.is_cpu_place() and t.dtype == paddle.float32 for t in tensors if t is not None
        )
    )


def wanted(*tensors: Optional[Tensor]) -> list[bool]:
    """Which tensors want a gradient; Paddle accepts no others."""
    return [t is not None and not t.stop_gradient for t in tensors]


def apply(layer: Any, *arguments: Any) -> Tensor:
    """Apply a PyLayer where a gradient is wanted; elsewhere only call its `compute`."""
    if paddle.is_grad_enabled() and any(wanted(*(a for a in arguments if isinstance(a, Tensor)))):
        return layer.apply(*arguments)
    return layer.compute(*arguments)


def contiguous(x: Tensor) -> Tensor:
    return x if x.is_contiguous() else x.contiguous()


def empty(shape: Sequence[int]) -> Tensor:
    """An unfilled float32 tensor, whatever the default type is."""
    return paddle.empty(shape, "float32")


def numbers(*shapes: list[int]) -> list[Tensor]:
    """Tensors between -1 and 1 that want gradients, to try an operator on; Paddle's random state is untouched."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    return [paddle.to_tensor(array, stop_gradient=False) for array in arrays]


@paddle.enable_grad()
def distance(ours: Any, theirs: Any, inputs: list[Tensor]) -> float:
    """How much two functions of the same inputs differ, in value and in gradient.

    Args:
        ours, theirs: functions without arguments; `theirs` is the reference.
        inputs: the tensors they depend on; gradients are those of the result's sum of squares.

    Returns:
        The largest difference in any tensor, relative to that tensor's largest number; NaN if there is a NaN.
    """
    pair = []
    for function in (ours, theirs):
        y = function()
        pair.append([y, *paddle.grad([(y * y).sum()], inputs)])
    apart = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(*pair)]
    return float(np.max(apart))
