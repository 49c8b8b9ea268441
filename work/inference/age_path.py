"""The way through the generator's codes along which faces age, and its calibration for one photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

# Medians of what the age network reads from people of a known age (2,121 UTKFace photos). Like every such
# network it draws ages to the middle, so who aims at the number overdoes it, and who aims at the median is
# read too young by other networks, too: the aim lies halfway.
TRUE_AGES = np.array([0, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62, 67, 72, 77, 82, 92.0])
MEDIANS = np.array([1, 8, 15, 21.5, 25.5, 28, 31, 34, 37.5, 42, 47, 51, 56, 62, 66.5, 70, 73, 79])
AIMS = np.minimum((TRUE_AGES + MEDIANS) / 2, 79.5)  # the network knows no age above 80


def aimed_reading(age: float) -> float:
    """The reading of the age network at which a face is to look `age` years old."""
    return float(np.interp(age, TRUE_AGES, AIMS))


@dataclass
class AgePath:
    """A curve in w: `points` [K, 512] at the nominal `ages` [K], and the direction of gender [512].

    `gender_step` is how much the gender network's log odds rise along one unit of `gender`.
    """

    ages: np.ndarray
    points: np.ndarray
    gender: np.ndarray
    gender_step: float

    def at(self, age: float) -> np.ndarray:
        """The point of the curve at a nominal age, [512]; constant beyond its ends."""
        place = float(np.interp(age, self.ages, np.arange(len(self.ages))))
        low = min(int(place), len(self.ages) - 2)
        share = place - low
        return (1 - share) * self.points[low] + share * self.points[low + 1]


@dataclass
class Rung:
    """One rendered step of a photo's ladder."""

    shift: np.ndarray  # [512], added to every code of the photo
    reading: float  # years, by the age network
    likeness: float  # distance of identity embeddings to the photo
    gender: float  # log odds of male


@dataclass
class Limits:
    """Where a photo's ladder ends.

    Attributes:
        steps: nominal years from the start to each rung.
        likeness: embeddings further apart end it.
        fall: two readings this many years behind the best so far end it: the path has collapsed.
        oldest, youngest: readings that need no further rung.
    """

    steps: tuple[float, ...] = (9.0, 20.0, 33.0, 48.0, 65.0, 85.0, 110.0, 140.0)
    likeness: float = 0.85
    fall: float = 4.0
    oldest: float = 78.0
    youngest: float = 4.0


class Calibration:
    """Shifts by age for one photo, found by rendering and reading a few points of the path on both sides.

    Args:
        path: the common curve.
        start: the rung without any shift.
        probe: renders a shift [512] and reads it.
        limits: see there.
    """

    def __init__(
        self,
        path: AgePath,
        start: Rung,
        probe: Callable[[np.ndarray], Rung],
        limits: Optional[Limits] = None,
    ):
        self.path, self.start, self.probe = path, start, probe
        self.limits = limits or Limits()
        younger, older = self._climb(-1), self._climb(+1)
        self.rungs = younger[::-1] + [start] + older

    def _climb(self, sign: int) -> list[Rung]:
        """Rungs in one direction, each read as further on than the one before."""
        limits, found, best, falls = self.limits, [], self.start.reading, 0
        origin = self.path.at(self.start.reading)
        for step in limits.steps:
            shift = self.path.at(self.start.reading + sign * step) - origin
            rung = self._keep_gender(self.probe(shift))
            gain = sign * (rung.reading - best)
            falls = falls + 1 if gain < -limits.fall else 0
            if rung.likeness > limits.likeness or falls == 2:
                break
            if gain > 0.5:
                found.append(rung)
                best = rung.reading
            if rung.reading > limits.oldest if sign > 0 else rung.reading < limits.youngest:
                break
        return found

    def _keep_gender(self, rung: Rung) -> Rung:
        """Shift back along the direction of gender where ageing has pushed the face towards the other one."""
        drift = rung.gender - self.start.gender
        if abs(self.start.gender) < 0.5 or drift * self.start.gender > 0:
            return rung
        allowed = 0.25 * abs(self.start.gender)
        excess = abs(drift) - allowed
        if excess <= 0:
            return rung
        back = np.sign(self.start.gender) * min(excess / self.path.gender_step, 3.0)
        return self.probe(rung.shift + back * self.path.gender)

    def shift(self, age: float) -> np.ndarray:
        """The shift [512] at which the photo should look `age` years old; the nearest one within reach."""
        wanted = aimed_reading(age)
        readings = np.array([rung.reading for rung in self.rungs])
        place = float(np.interp(wanted, readings, np.arange(len(readings))))
        low = min(int(place), max(len(self.rungs) - 2, 0))
        high = min(low + 1, len(self.rungs) - 1)
        share = place - low
        return (1 - share) * self.rungs[low].shift + share * self.rungs[high].shift
