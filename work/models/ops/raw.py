"""What operators share that work on the memory of CPU tensors: when they can, and when a gradient is wanted."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
import paddle
from paddle import Tensor

TOLERANCE = 1e-5  # of a tensor's largest number, between an operator and Paddle's


def fits(*tensors: Optional[Tensor]) -> bool:
    """Whether all tensors that are not None are float32 on the CPU, which is the device of the process, too."""
    return (
        paddle.in_dynamic_mode()
        and paddle.device.get_device() == "cpu"
        and all(
            t.place.is_cpu_place() and t.dtype == paddle.float32 for t in tensors if t is not None
        )
    )


def wanted(*tensors: Optional[Tensor]) -> list[bool]:
    """Which of the gradients are wanted; Paddle takes no others."""
    return [t is not None and not t.stop_gradient for t in tensors]


def apply(layer: Any, *arguments: Any) -> Tensor:
    """The PyLayer on its arguments where a gradient is wanted, else `layer.compute`."""
    if paddle.is_grad_enabled() and any(wanted(*(a for a in arguments if isinstance(a, Tensor)))):
        return layer.apply(*arguments)
    return layer.compute(*arguments)


def contiguous(x: Tensor) -> Tensor:
    return x if x.is_contiguous() else x.contiguous()


def empty(shape: Sequence[int]) -> Tensor:
    """A float32 tensor to be filled, whatever the default type is."""
    return paddle.empty(shape, "float32")


def numbers(*shapes: list[int]) -> list[Tensor]:
    """Tensors between -1 and 1 with gradients, to try an operator on; Paddle's random state stays as it is."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    return [paddle.to_tensor(array, stop_gradient=False) for array in arrays]


@paddle.enable_grad()
def distance(ours: Any, theirs: Any, inputs: list[Tensor]) -> float:
    """How far two functions without arguments are apart in value and in the gradients of the sum of squares towards
    `inputs`; the largest of each tensor, relative to its largest number. NaN if there is one."""
    pair = []
    for function in (ours, theirs):
        y = function()
        pair.append([y, *paddle.grad([(y * y).sum()], inputs)])
    apart = [float((a - b).abs().max() / b.abs().max()) for a, b in zip(*pair)]
    return float(np.max(apart))
