"""The way through the generator's codes along which faces age, and its calibration for one photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np


@dataclass
class Aims:
    """What two readers of ages should read, on average, where a face is to look as old as told.

    Such readers draw ages to the middle. `medians` [K] are what these read from people of the `truth` [K] ages.
    Who aims at the number overdoes it, and who aims at the median is read too young by other readers, too: the
    aim lies halfway.
    """

    truth: np.ndarray
    medians: np.ndarray

    def reading(self, age: float) -> float:
        """The reading at which a face is to look `age` years old."""
        return (age + float(np.interp(age, self.truth, self.medians))) / 2


def agreed(years: np.ndarray) -> float:
    """One reading from those of both readers [2]: their mean, but an extreme age needs the agreement of both."""
    mean, half = float(years.mean()), float(np.abs(years - years.mean()).max())
    old, young = np.clip((mean - 45) / 20, 0, 1), np.clip((25 - mean) / 15, 0, 1)
    return mean - float(old) * half + float(young) * half


@dataclass
class AgePath:
    """A curve in w: `points` [K, 512] at the nominal `ages` [K], and the direction of gender [512].

    `gender_step` is how much the reader's score of gender rises along one unit of `gender`.
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
    reading: float  # years, by both readers of ages
    likeness: float  # distance of identity embeddings to the photo
    gender: float  # the reader's score: 2 for male, -2 for female


@dataclass
class Limits:
    """Where a photo's ladder ends.

    Attributes:
        steps: nominal years from the start to each rung.
        likeness: embeddings further apart end it.
        fall: two readings this many years behind the best so far end it: the path has collapsed.
        oldest, youngest: readings that need no further rung.
        room: years before an end of the ladder on which all targets near it and beyond it are placed.
    """

    steps: tuple[float, ...] = (9.0, 20.0, 33.0, 48.0, 65.0, 85.0, 110.0, 140.0)
    likeness: float = 0.85
    fall: float = 4.0
    oldest: float = 86.0
    youngest: float = 4.0
    room: float = 6.0


class Calibration:
    """Shifts by age for one photo, found by rendering and reading a few points of the path on both sides.

    Args:
        path: the common curve.
        aims: readings by target age.
        start: the rung without any shift.
        probe: renders a shift [512] and reads it.
        limits: see there.
    """

    def __init__(
        self,
        path: AgePath,
        aims: Aims,
        start: Rung,
        probe: Callable[[np.ndarray], Rung],
        limits: Optional[Limits] = None,
    ):
        self.path, self.aims, self.start, self.probe = path, aims, start, probe
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
        if abs(self.start.gender) < 0.3 or drift * self.start.gender > 0:
            return rung
        allowed = 0.25 * abs(self.start.gender)
        excess = abs(drift) - allowed
        if excess <= 0:
            return rung
        back = np.sign(self.start.gender) * min(excess / self.path.gender_step, 3.0)
        return self.probe(rung.shift + back * self.path.gender)

    def shift(self, age: float) -> np.ndarray:
        """The shift [512] at which the photo should look `age` years old, or as near to it as it can get."""
        readings = np.array([rung.reading for rung in self.rungs])
        wanted = self._within_reach(age, readings[0], readings[-1])
        place = float(np.interp(wanted, readings, np.arange(len(readings))))
        low = min(int(place), max(len(self.rungs) - 2, 0))
        high = min(low + 1, len(self.rungs) - 1)
        share = place - low
        return (1 - share) * self.rungs[low].shift + share * self.rungs[high].shift

    def _within_reach(self, age: float, youngest: float, oldest: float) -> float:
        """The aim for a target age, pressed together near an end of the ladder that lies before life's own.

        So two targets beyond an end still differ, if by little; the others are left as they are.
        """
        aim, room = self.aims.reading(age), self.limits.room
        first, last = self.aims.reading(0.0), self.aims.reading(100.0)
        if last > oldest and aim > oldest - room:
            return oldest - room * (last - aim) / (last - oldest + room)
        if first < youngest and aim < youngest + room:
            return youngest + room * (aim - first) / (youngest - first + room)
        return aim
