"""The way through the generator's codes along which faces age, and what readers of ages should read on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from paddle import Tensor

# Years to add to the aim, by target age: with these, other readers see decades evenly apart (docs/embedded.md)
ADDED = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80), (0, -1, 2, 4, 4, 3, 1, -1, 0, 8)


@dataclass
class Aims:
    """What a reader of ages should read, on average, where a face is to look as old as told.

    Such readers draw ages to the middle. `medians` [K] are what these read from people of the `truth` [K] ages.
    Who aims at the number overdoes it, and who aims at the median is read too young by other readers, too: the
    aim lies halfway, but for `ADDED`: other readers take faces that were made to be 20 to 50 or 80 for younger ones.
    """

    truth: np.ndarray
    medians: np.ndarray

    def reading(self, age: float) -> float:
        """The reading at which a face is to look `age` years old."""
        halfway = (age + float(np.interp(age, self.truth, self.medians))) / 2
        return halfway + float(np.interp(age, *ADDED))

    def age(self, reading: float) -> float:
        """How old a face looks that is read so, 0 to 100 years: the inverse of `reading`."""
        ages = np.arange(101.0)
        return float(np.interp(reading, [self.reading(age) for age in ages], ages))


# Share of its distance to the generator's mean that a code gives up for each nominal year it moves. Codes that are far
# from the mean and then move far leave what the generator knows: the face breaks up into noise.
TRUNCATION = 0.0044


def truncated(w_plus: Tensor, mean: Tensor, step: float) -> Tensor:
    """Codes [N, 23, 512] drawn to the mean w [512], as far as a move by `step` nominal years asks for."""
    return mean + max(0.0, 1 - TRUNCATION * abs(step)) * (w_plus - mean)


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
