"""Stops a run whose losses are no longer numbers."""

from __future__ import annotations

from typing import Mapping

import numpy as np
import paddle

from work.errors import UserError
from work.training.ranks import Ranks


class Watch:
    """Keeps the terms of the latest steps, on their device, until somebody wants to read them.

    Reading waits for the device, so it happens at the intervals of the log and before every save; on the
    CPU, where nothing waits, after each step.
    """

    def __init__(self, ranks: Ranks):
        self.ranks, self.pending = ranks, []
        self.seen: dict[str, list[tuple[float, int]]] = {}

    def add(self, step: int, terms: Mapping[str, paddle.Tensor], files: list) -> None:
        """Note the terms of one batch; `step` counts from 1."""
        self.pending.append((step, dict(terms), files))

    def check(self) -> None:
        """Read what was noted.

        Raises:
            UserError: a term is not finite; names the first such step, the term and the batch's files.
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
                f"{problem or 'another rank met a loss that is not finite'}. Stopped; the last good "
                "checkpoint stays. A lower --learning_rate, or no --amp, may help"
            )

    def means(self, names: list[str]) -> dict[str, float]:
        """The means since the last call over all ranks, of each term over the batches that had it."""
        seen, self.seen = self.seen, {}
        return self.ranks.means(names, seen)
