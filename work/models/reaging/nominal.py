"""Nominal ages: what to ask the re-ageing network for, so that a photo looks as old as wanted.

Trained on pairs, the network predicts the mean of what is possible, so its changes are too small: asked for 50, it
makes somebody of 20 look 33. It is therefore asked for a nominal age, from a table that was fitted to photos for each
own and wanted age. Where even the youngest or oldest age it knows is not enough, its difference is scaled up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

YOUNGEST, OLDEST = 15.0, 85.0  # years: what the network has seen
STRONGER = 50.0  # nominal years beyond these that double the difference
PREFIX = "nominal."


@dataclass(frozen=True)
class NominalAges:
    """A table: nominal ages `asked` [K, L] for people of the ages `own` [K] who should look `wanted` [L] years old."""

    own: np.ndarray
    wanted: np.ndarray
    asked: np.ndarray

    def at(self, own: float, wanted: float) -> float:
        """The nominal age, between the table's entries and at its edges beyond them."""
        column = [float(np.interp(wanted, self.wanted, row)) for row in self.asked]
        return float(np.interp(own, self.own, column))

    def arrays(self) -> dict[str, np.ndarray]:
        """The table as it lies in a file, by name."""
        return {f"{PREFIX}{name}": getattr(self, name) for name in ("own", "wanted", "asked")}


def read_nominal(state: Mapping[str, np.ndarray]) -> NominalAges:
    """The table among a file's arrays; where there is none, what is wanted is what is asked for."""
    names = ("own", "wanted", "asked")
    if not all(PREFIX + name in state for name in names):
        ends = np.array([YOUNGEST, OLDEST])
        return NominalAges(ends, ends, np.stack([ends, ends]))
    return NominalAges(*(np.asarray(state[PREFIX + name], np.float64) for name in names))


def split_nominal(nominal: float) -> tuple[float, float]:
    """The age to ask the network for, and what to multiply its difference by."""
    age = min(max(nominal, YOUNGEST), OLDEST)
    return age, 1 + abs(nominal - age) / STRONGER
