"""The path through the generator's codes along which faces age, and the readings to aim for on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from paddle import Tensor

# Years to add to the aim, by target age: with these, other readers see decades evenly apart (docs/embedded.md)
ADDED = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80), (0, -1, 2, 4, 4, 3, 1, -1, 0, 8)


@dataclass
class Aims:
    """The age-network reading to aim for so that a face looks a given number of years old.

    Age networks pull ages towards the middle: `medians` [K] are their readings of people of the `truth` [K] ages.
    Aiming at the number itself overshoots, and aiming at the median undershoots by other networks, so the aim
    lies halfway, plus `ADDED`: other networks read faces made for 20 to 50 or for 80 as younger.
    """

    truth: np.ndarray
    medians: np.ndarray

    def reading(self, age: float) -> float:
        """The reading to aim for so that a face looks `age` years old."""
        halfway = (age + float(np.interp(age, self.truth, self.medians))) / 2
        return halfway + float(np.interp(age, *ADDED))

    def age(self, reading: float) -> float:
        """How old a face with this reading looks, 0 to 100 years: the inverse of `reading`."""
        ages = np.arange(101.0)
        return float(np.interp(reading, [self.reading(float(age)) for age in ages], ages))

    def person(self, reading: float) -> float:
        """How old a person is whose photo has this reading, 0 to 100 years.

        The mean of the reading and of the age at which it is the median. Not the inverse of `reading`, which aims at
        faces that were made: of people aged 42 to 59 that takes 7 % for 15 years younger or more, this 4 %.
        """
        return float(np.clip((reading + np.interp(reading, self.medians, self.truth)) / 2, 0, 100))


# Share of its distance to the generator's mean that a code loses for each nominal year it moves. Codes that start far
# from the mean and then move far leave the generator's domain, and the face breaks up into noise.
TRUNCATION = 0.0044


def truncate(w_plus: Tensor, mean: Tensor, step: float) -> Tensor:
    """Codes [N, n_styles, 512] drawn towards the mean w [512], as far as a move by `step` nominal years requires."""
    return mean + max(0.0, 1 - TRUNCATION * abs(step)) * (w_plus - mean)


@dataclass
class AgePath:
    """A curve in w: `points` [K, 512] at the nominal `ages` [K], and the direction of gender [512].

    `gender_step` is how much the gender score rises along one unit of `gender`.
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
