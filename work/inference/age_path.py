"""The way through the generator's codes along which faces age, and its calibration for one photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

# What the age network reads from people of a known age: medians over 2,000 UTKFace photos, smoothed.
# It reads old faces too young, and so does whoever aims at the number itself.
TRUE_AGES = (
    0.0,
    7.0,
    12.0,
    17.0,
    22.0,
    27.0,
    32.0,
    37.0,
    42.0,
    47.0,
    52.0,
    57.0,
    62.0,
    67.0,
    72.0,
    77.0,
    82.0,
    92.0,
)
READINGS = (
    1.0,
    8.0,
    15.0,
    21.5,
    25.5,
    28.0,
    31.0,
    34.0,
    37.5,
    42.0,
    47.0,
    51.0,
    56.0,
    62.0,
    66.5,
    70.0,
    73.0,
    79.0,
)


def expected_reading(age: float) -> float:
    """What the age network reads, in the middle, from photos of people `age` years old."""
    return float(np.interp(age, TRUE_AGES, READINGS))


def age_of_reading(reading: float) -> float:
    """The inverse of `expected_reading`."""
    return float(np.interp(reading, READINGS, TRUE_AGES))


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
    likeness: float = 0.75
    fall: float = 4.0
    oldest: float = 76.0
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
        wanted = expected_reading(age)
        readings = np.array([rung.reading for rung in self.rungs])
        place = float(np.interp(wanted, readings, np.arange(len(readings))))
        low = min(int(place), max(len(self.rungs) - 2, 0))
        high = min(low + 1, len(self.rungs) - 1)
        share = place - low
        return (1 - share) * self.rungs[low].shift + share * self.rungs[high].shift
