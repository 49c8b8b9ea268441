"""How far along the common age path one photo has to move to look as old as asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

from work.inference.embedded.age_path import AgePath, Aims

# Ages that are looked up on the ladder; others are interpolated.
DECADES = np.arange(0.0, 101.0, 10.0)
# The decades in which most targets lie
ASKED = (DECADES[:-1] >= 10) & (DECADES[:-1] < 80)


@dataclass
class Rung:
    """One rendered step of a photo's ladder."""

    shift: np.ndarray  # [512], added to every code of the photo
    reading: float  # years
    likeness: float  # distance of identity embeddings to the photo
    gender: float  # the reader's score: 2 for male, -2 for female
    step: float = 0.0  # nominal years from the start


@dataclass
class Limits:
    """Where a photo's ladder ends, and how close its rungs are.

    Attributes:
        first, least, most: nominal years from the start to the first rung, and between later ones. They are chosen
            so that readings should come `apart` years apart, going by the last two.
        furthest_older, furthest_younger: nominal years from the start to the last rung on each side.
        likeness: the distance between identity embeddings beyond which it ends.
        fall: readings that fall this many years behind the furthest end it there: the face has collapsed.
        oldest, youngest: readings that need no further rung.
        worn, gain: once a rung is read as `worn` or older, the next must gain `gain` years, or the ladder ends:
            readers take noise for wrinkles, but not for more and more of them.
        room: years at an end of the ladder into which all targets near it and beyond it are compressed.
        even: each decade covers at least this share of the mean decade's distance along the path. Where this reader's
            readings jump or stand still, other readers see neither.
    """

    first: float = 10.0
    least: float = 9.0
    most: float = 20.0
    apart: float = 8.0
    furthest_older: float = 120.0
    furthest_younger: float = 180.0
    likeness: float = 0.95
    fall: float = 12.0
    oldest: float = 82.0
    youngest: float = 3.0
    worn: float = 75.0
    gain: float = 1.5
    room: float = 8.0
    even: float = 0.5


@dataclass
class GenderHold:
    """How a photo's gender is kept while its age changes.

    Attributes:
        unsure: of photos whose score is nearer to 0, proportionally less is asked.
        least, most: the photo's own score, kept between these, is asked of faces that were made older: what makes a
            face old makes readers take it for a man's.
        child: the score that is asked of faces that were made younger. Of real children's it is 0.4 on average.
        years: nominal years over which these take effect.
        slack: shortfalls up to this are ignored.
        tries: corrections of one rung, at most.
        longest: of all corrections together, in deviations.
    """

    unsure: float = 0.6
    least: float = 1.75
    most: float = 2.25
    child: float = 0.4
    years: float = 40.0
    slack: float = 0.25
    tries: int = 2
    longest: float = 5.0


class Calibration:
    """Shifts by age for one photo, found by rendering and reading a few points of the path on both sides.

    Args:
        path: the common curve.
        aims: readings by target age.
        start: the rung without any shift.
        probe: renders a shift [512] that is so many nominal years from the start, and reads it.
        limits, hold: defaults if not given.
    """

    def __init__(
        self,
        path: AgePath,
        aims: Aims,
        start: Rung,
        probe: Callable[[np.ndarray, float], Rung],
        limits: Optional[Limits] = None,
        hold: Optional[GenderHold] = None,
    ):
        self.path, self.aims, self.start, self.probe = path, aims, start, probe
        self.limits, self.hold = limits or Limits(), hold or GenderHold()
        self.side = np.sign(start.gender)
        younger, older = self._climb(-1), self._climb(+1)
        self.rungs = younger[::-1] + [start] + older
        self.places = np.array([rung.step for rung in self.rungs])
        readings = smooth(np.array([rung.reading for rung in self.rungs]), self.places)
        self.readings = make_rising(readings)
        self.steps = self._decades()

    def _climb(self, sign: int) -> list[Rung]:
        """Rungs in one direction, up to the one with the most extreme reading."""
        limits, held, step = self.limits, 0.0, self.limits.first
        found: list[Rung] = []
        furthest = last = self.start.reading
        wide, kept = step, 0
        end = limits.furthest_older if sign > 0 else limits.furthest_younger
        origin = self.path.at(self.start.reading)
        while step <= end:
            shift = self.path.at(self.start.reading + sign * step) - origin
            rung, held = self._held(shift, sign * step, held)
            rung.step = sign * step
            if rung.likeness > limits.likeness or sign * (furthest - rung.reading) > limits.fall:
                break
            if (
                sign > 0
                and found
                and furthest >= limits.worn
                and rung.reading < furthest + limits.gain
            ):
                break
            found.append(rung)
            moved, last = sign * (rung.reading - last), rung.reading
            if sign * (rung.reading - furthest) > 0:
                furthest, kept = rung.reading, len(found)
            if rung.reading > limits.oldest if sign > 0 else rung.reading < limits.youngest:
                break
            speed = max(moved, 1.0) / wide
            wide = float(np.clip(limits.apart / speed, limits.least, limits.most))
            step += wide
        return found[:kept]

    def _held(self, shift: np.ndarray, step: float, held: float) -> tuple[Rung, float]:
        """Probe a shift of `step` nominal years plus `held` deviations along the direction of gender.

        `held` grows where ageing has pushed the face towards the other gender. Returns the rung and the new `held`.
        """
        hold, side = self.hold, self.side
        adult = float(np.clip(abs(self.start.gender), hold.least, hold.most))
        wanted = (adult if step > 0 else hold.child) * min(1.0, abs(step) / hold.years)
        wanted *= min(1.0, abs(self.start.gender) / hold.unsure)
        rung = self.probe(shift + side * held * self.path.gender, step)
        for _ in range(hold.tries):
            shortfall = wanted - side * rung.gender
            longer = min(held + shortfall / self.path.gender_step, hold.longest)
            if shortfall < hold.slack or longer <= held:
                break
            held = longer
            rung = self.probe(shift + side * held * self.path.gender, step)
        return rung, held

    def _decades(self) -> np.ndarray:
        """Nominal years from the start for each of DECADES [11]."""
        ends = self.readings[0], self.readings[-1]
        aims = [self._within_reach(float(age), *ends) for age in DECADES]
        steps = np.interp(aims, self.readings, self.places)
        gap = self.limits.even * np.diff(steps)[ASKED].mean()
        gaps = np.where(ASKED, gap, 0.1 * gap)
        return space_out(steps, gaps, self.places[0], self.places[-1])

    def step(self, age: float) -> float:
        """Nominal years from the start where the photo should look `age` years old, or as near to it as it can get."""
        return float(np.interp(age, DECADES, self.steps))

    def shift(self, age: float) -> np.ndarray:
        """The shift [512] that belongs to this step."""
        place = float(np.interp(self.step(age), self.places, np.arange(len(self.places))))
        low = min(int(place), max(len(self.rungs) - 2, 0))
        high = min(low + 1, len(self.rungs) - 1)
        share = place - low
        return (1 - share) * self.rungs[low].shift + share * self.rungs[high].shift

    def _within_reach(self, age: float, youngest: float, oldest: float) -> float:
        """The aim for a target age, compressed near an end of the ladder that does not reach 0 or 100 years.

        So targets beyond that end still differ, the further out the less; all others are left as they are.
        """
        aim, room = self.aims.reading(age), self.limits.room
        first, last = self.aims.reading(0.0), self.aims.reading(100.0)
        if last > oldest and aim > oldest - room:
            return oldest - room * ((last - aim) / (last - oldest + room)) ** 2
        if first < youngest and aim < youngest + room:
            return youngest + room * ((aim - first) / (youngest - first + room)) ** 2
        return aim


def smooth(readings: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Readings [K] at `places` [K], each averaged with the interpolation of its neighbours; the ends stay."""
    result = readings.copy()
    for i in range(1, len(readings) - 1):
        around = [i - 1, i + 1]
        result[i] = (readings[i] + np.interp(places[i], places[around], readings[around])) / 2
    return result


def fit_monotone(values: np.ndarray) -> np.ndarray:
    """The nearest values [K] that do not fall, in the least squares (isotonic regression)."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([float(value)])
        while len(pools) > 1 and np.mean(pools[-2]) >= np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    return np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools])


def make_rising(readings: np.ndarray) -> np.ndarray:
    """The nearest values [K] that rise: those that fall are pooled."""
    return fit_monotone(readings) + 1e-3 * np.arange(len(readings))  # `np.interp` needs steps


def space_out(steps: np.ndarray, gaps: np.ndarray, first: float, last: float) -> np.ndarray:
    """The nearest steps [K] between `first` and `last` that are at least `gaps` [K - 1] apart, if there is room."""
    ahead = np.concatenate([[0.0], np.cumsum(gaps)])
    if ahead[-1] > last - first:
        ahead *= (last - first) / ahead[-1]
    apart = fit_monotone(steps - ahead) + ahead
    return np.clip(apart, first + ahead, last - (ahead[-1] - ahead))
