"""Stops a run when one of its losses is no longer finite."""

from __future__ import annotations

from typing import Mapping

import numpy as np
import paddle

from work.errors import UserError
from work.training.ranks import Ranks


class Watch:
    """Keeps the terms of the latest steps on their device until they are needed.

    Reading a number waits for the device. On GPUs it is therefore done when a line is logged and before every save; on
    CPUs, where it costs nothing, after each step.
    """

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.pending: list[tuple[int, dict[str, paddle.Tensor], list]] = []
        self.seen: dict[str, list[tuple[float, int]]] = {}

    def add(self, step: int, terms: Mapping[str, paddle.Tensor], files: list) -> None:
        """Keep the terms of one batch; `step` counts from 1."""
        self.pending.append((step, dict(terms), files))

    def check(self) -> None:
        """Read the terms that were kept.

        Raises:
            UserError: a term is not finite; names the first such step and term, and the batch's files.
        """
        problem = ""
        for step, terms, files in self.pending:
            for name, value in terms.items():
                number = float(value)
                self.seen.setdefault(name, []).append((number, 1))
                if not problem and not np.isfinite(number):
                    shown = ", ".join(map(str, files))
                    problem = f"step {step}: {name} is {number}; the batch's files: {shown}"
        self.pending = []
        if self.ranks.any(bool(problem)):
            raise UserError(
                f"{problem or 'a loss on another rank is not finite'}. Stopped; the last good "
                "checkpoint is kept. A lower --learning_rate, or no --amp, may help"
            )

    def means(self, names: list[str]) -> dict[str, float]:
        """The mean of each term since the last call, over the batches of all ranks that had it."""
        seen, self.seen = self.seen, {}
        return self.ranks.means(names, seen)
