"""An exponential moving average of the trained weights (as StyleGAN's g_ema): what validation and users see."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping

import paddle

from work.errors import UserError


class Average:
    """Shadows some parameters: shadow += (1 - decay) * (parameter - shadow) after each step.

    With decay 0 it holds nothing and does nothing.
    """

    def __init__(self, named: Mapping[str, paddle.Tensor], decay: float):
        self.named, self.decay = named, decay
        self.shadow = {n: p.detach().astype("float32").clone() for n, p in named.items() if decay}

    @paddle.no_grad()
    def update(self) -> None:
        for name, shadow in self.shadow.items():
            shadow.lerp_(self.named[name].astype("float32"), 1 - self.decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the network computes with the average."""
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
        """Take over what `state_dict` gave; after a run without an average, start from the weights as they are.

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
