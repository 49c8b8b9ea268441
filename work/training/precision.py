"""Mixed precision. On GPUs by Paddle's own tools: O1 casts operators, O2 the trained weights too. On a CPU only O1 with
bfloat16, for convolutions alone, by oneDNN."""

from __future__ import annotations

import contextlib
from typing import Any, Literal, Optional, Sequence, cast

import numpy as np
import paddle
from paddle import Tensor, nn

from work.errors import UserError
from work.models.ops import convolution

Level = Optional[Literal["O1", "O2"]]
Dtype = Literal["float16", "bfloat16"]


class Precision:
    """Autocast, a scaled backward pass, and no step after an overflow.

    Args:
        level: None (float32), "O1" or "O2".
        dtype: "float16" (with dynamic loss scaling) or "bfloat16" (which needs none).
        gpu: whether the device is one.

    Raises:
        UserError: without a GPU, anything but O1 with bfloat16, or a CPU that cannot do that.
    """

    def __init__(self, level: str | None, dtype: str, gpu: bool):
        if level and not gpu:
            if (level, dtype) != ("O1", "bfloat16"):
                raise UserError(
                    f"--amp {level} --amp_dtype {dtype} needs a GPU; a CPU has --amp O1 --amp_dtype bfloat16"
                )
            if convolution.half_problem():
                raise UserError(f"--amp {level}: {convolution.half_problem()}; leave it out")
        self.gpu = gpu
        self.level, self.dtype = cast(Level, level), cast(Dtype, dtype)
        scaled = bool(level) and dtype == "float16"
        self.scaler = paddle.amp.GradScaler(init_loss_scaling=2.0**12) if scaled else None

    def decorate(self, layer: nn.Layer, optimizer: Any) -> None:
        """At O2, cast a trained layer's weights (not its batch norms); the optimizer keeps float32 ones."""
        if self.level == "O2":
            paddle.amp.decorate(layer, optimizer, level="O2", dtype=self.dtype)

    def autocast(self) -> Any:
        """The context that forward passes and losses run in."""
        if not self.level:
            return contextlib.nullcontext()
        if not self.gpu:
            return convolution.in_bfloat16()
        return paddle.amp.auto_cast(level=self.level, dtype=self.dtype)

    def backward(self, loss: Tensor) -> None:
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, optimizers: Sequence[Any]) -> None:
        """Step all optimizers, or none of them if a gradient overflowed."""
        together = _Together(optimizers)
        if self.scaler:
            self.scaler.step(together)
            self.scaler.update()
        else:
            together.step()

    def state_dict(self) -> dict[str, Any]:
        """The loss scaler's state as plain data; empty without one."""
        state: Any = self.scaler.state_dict() if self.scaler else {}
        return {name: np.asarray(value).tolist() for name, value in state.items()}

    def set_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; an empty state, of a run without a scaler, changes nothing.

        Raises:
            UserError: something is missing from it.
        """
        missing = self.state_dict().keys() - state.keys()
        if state and missing:
            raise UserError(f"the loss scaler's state lacks {', '.join(sorted(missing))}")
        if self.scaler and state:
            self.scaler.load_state_dict(cast(Any, state))


class _Together:
    """Optimizers that Paddle's scaler takes for one: of several it would heed the last one's overflow alone."""

    def __init__(self, optimizers: Sequence[Any]):
        self.optimizers = optimizers
        self._parameter_list = [p for optimizer in optimizers for p in optimizer._parameter_list]

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()
