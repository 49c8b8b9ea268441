"""An exponential moving average of the trained weights, like StyleGAN's g_ema, for validation and checkpoints."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping

import paddle

from work.errors import UserError


class Average:
    """Follows parameters: shadow += (1 - decay) * (parameter - shadow) after each step.

    With a decay of 0 there is no average, and all methods do nothing.
    """

    def __init__(self, named: Mapping[str, paddle.Tensor], decay: float):
        self.named, self.decay = named, decay
        self.shadow = {n: p.detach().astype("float32").clone() for n, p in named.items() if decay}

    @paddle.no_grad()
    def update(self, weights: Mapping[str, paddle.Tensor]) -> None:
        """Take a step towards the weights in float32, by name: of half-precision parameters, the optimizer's copies."""
        for name, shadow in self.shadow.items():
            shadow.lerp_(weights[name], 1 - self.decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network compute with the averaged weights within the block."""
        kept = {name: self.named[name].clone() for name in self.shadow}
        for name, shadow in self.shadow.items():
            self.named[name].set_value(shadow.astype(self.named[name].dtype))
        try:
            yield
        finally:
            for name, value in kept.items():
                self.named[name].set_value(value)

    def state_dict(self) -> dict[str, Any]:
        return {name: shadow.numpy() for name, shadow in self.shadow.items()}

    def set_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; an empty state, of a run without an average, restarts from the weights.

        Raises:
            UserError: some of its weights are missing or of another shape.
        """
        for name, shadow in self.shadow.items():
            if not state:
                shadow.set_value(self.named[name].astype("float32"))
            elif name not in state or list(state[name].shape) != shadow.shape:
                raise UserError(f"the average of {name} is missing or of another shape")
            else:
                shadow.set_value(paddle.to_tensor(state[name]))
