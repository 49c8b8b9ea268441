"""Mixed precision on GPUs, by Paddle's own: O1 casts operators, O2 the trained weights too."""

from __future__ import annotations

import contextlib
from typing import Any, Sequence

import numpy as np
import paddle
from paddle import Tensor, nn

from work.errors import UserError


class Precision:
    """autocast, scaled backward, and steps that are left out after an overflow.

    Args:
        level: None (float32), "O1" or "O2".
        dtype: "float16" (with dynamic loss scaling) or "bfloat16" (which needs none).
        gpu: Paddle has mixed precision on GPUs only.

    Raises:
        UserError: a level on a device without it.
    """

    def __init__(self, level: str | None, dtype: str, gpu: bool):
        if level and not gpu:
            raise UserError(
                f"--amp {level}: Paddle's mixed precision runs on GPUs only; leave it out"
            )
        self.level, self.dtype = level, dtype
        scaled = bool(level) and dtype == "float16"
        self.scaler = paddle.amp.GradScaler(init_loss_scaling=2.0**12) if scaled else None

    def decorate(self, layer: nn.Layer, optimizer: Any) -> None:
        """At O2, cast a trained layer's weights (not its batch norms); the optimizer keeps float32 ones."""
        if self.level == "O2":
            paddle.amp.decorate(layer, optimizer, level="O2", dtype=self.dtype)

    def autocast(self) -> Any:
        if not self.level:
            return contextlib.nullcontext()
        return paddle.amp.auto_cast(level=self.level, dtype=self.dtype)

    def backward(self, loss: Tensor) -> None:
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def step(self, optimizers: Sequence[Any]) -> None:
        """One step of each; after an overflow anywhere, of none that met it."""
        for optimizer in optimizers:
            self.scaler.step(optimizer) if self.scaler else optimizer.step()
        if self.scaler:
            self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The loss scaler's state as plain data; empty without one."""
        state = self.scaler.state_dict() if self.scaler else {}
        return {name: np.asarray(value).tolist() for name, value in state.items()}

    def set_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; nothing if it comes from a run without a scaler.

        Raises:
            UserError: something is missing from it.
        """
        missing = self.state_dict().keys() - state.keys()
        if state and missing:
            raise UserError(f"the loss scaler's state lacks {', '.join(sorted(missing))}")
        if self.scaler and state:
            self.scaler.load_state_dict(state)
