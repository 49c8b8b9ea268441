"""Which faces each batch of a CycleGAN run holds and what is asked of them: a function of the seed and the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol, Sequence

import numpy as np

from work.configs.age_groups import AgeGroup
from work.datasets.ages import members
from work.datasets.training import AGES, draw_face, random_generator
from work.errors import UserError

YEARS = (0, 10, 20, 30, 40)
NEAR = 2.0  # years between a real face and the age that it stands for


@dataclass(frozen=True)
class Plan:
    """N sources to age, N to rejuvenate, then as many real faces of the wanted ages; Group-GAN's sources are these.

    Attributes:
        keys: index and mirroring of each face, 2 N (Group-GAN) or 4 N (FA-GAN).
        years: signed change of each source, [2 N]; None for Group-GAN.
        targets: the age in years that each source should get, [2 N]; None for Group-GAN.
    """

    keys: list[tuple[int, bool]]
    years: Optional[np.ndarray] = None
    targets: Optional[np.ndarray] = None


class Planner(Protocol):
    """Makes the plan of a range of positions in the endless stream of sources of each direction.

    `groups` holds the indices of the faces of each group.
    """

    groups: list[np.ndarray]

    def plan(self, positions: range, key: Sequence[int] = ()) -> Plan:
        """The plan of some positions; `key` sets the draws apart from those of other uses of the same positions."""


class GroupPlanner:
    """Faces of a young group and of an old one, the same number of each however many there are.

    Raises:
        UserError: a group without faces.
    """

    def __init__(self, ages: np.ndarray, young: AgeGroup, old: AgeGroup, seed: int):
        self.seed, self.groups = seed, [members(ages, group) for group in (young, old)]
        for group, found in zip((young, old), self.groups):
            if not len(found):
                raise UserError(f"the age group {group.name} has no face")

    def plan(self, positions: range, key: Sequence[int] = ()) -> Plan:
        """See Planner."""
        return Plan([pick(group, self.seed, p) for group in self.groups for p in positions])


class YearsPlanner:
    """Faces of all groups in turn, each with a change that ends at an age of which there are faces.

    The real face beside a source is one of about the age that the source should get: the discriminator sees the same
    ages on both sides and has to look at the faces.

    Args:
        ages: of the faces, [N]; NaN where it is not known.
        groups: sources are taken from these in turn.

    Raises:
        UserError: a group without faces.
    """

    def __init__(self, ages: np.ndarray, groups: Sequence[AgeGroup], seed: int):
        self.ages, self.seed = ages, seed
        self.groups = [members(ages, group) for group in groups]
        for group, found in zip(groups, self.groups):
            if not len(found):
                raise UserError(f"the age group {group.name} has no face")
        inside = np.concatenate(self.groups)
        self.order = inside[np.argsort(ages[inside], kind="stable")]
        self.sorted = ages[self.order]

    def plan(self, positions: range, key: Sequence[int] = ()) -> Plan:
        """See Planner."""
        rng = random_generator(self.seed, AGES, *key, positions.start)
        sources, reals, years = [], [], []
        for sign in (1, -1):
            for position in positions:
                group = self.groups[position % len(self.groups)]
                index, flip = pick(group, self.seed, position // len(self.groups))
                change = sign * self._change(float(self.ages[index]), sign, rng)
                sources.append((index, flip))
                years.append(change)
                reals.append(
                    (self._real(float(self.ages[index]) + change, rng), bool(rng.random() < 0.5))
                )
        changes = np.array(years, np.float32)
        ages = self.ages[[index for index, _ in sources]].astype(np.float32)
        return Plan(sources + reals, changes, ages + changes)

    def _change(self, age: float, sign: int, rng: np.random.Generator) -> float:
        """One of YEARS that leads to an age between the youngest and the oldest face."""
        fits = [k for k in YEARS if self.sorted[0] <= age + sign * k <= self.sorted[-1]]
        return float(fits[rng.integers(len(fits))])

    def _real(self, age: float, rng: np.random.Generator) -> int:
        """A face of about an age: one within NEAR years if there is one, else the nearest."""
        low, high = np.searchsorted(self.sorted, [age - NEAR, age + NEAR + 1e-6])
        if low < high:
            return int(self.order[rng.integers(low, high)])
        near = min(max(low - 1, 0), len(self.order) - 1), min(low, len(self.order) - 1)
        return int(self.order[min(near, key=lambda i: abs(self.sorted[i] - age))])


def pick(indices: np.ndarray, seed: int, position: int) -> tuple[int, bool]:
    """Which of some faces is at a position of their endless shuffled stream, and whether it is mirrored."""
    index, flip = draw_face(len(indices), seed, position)
    return int(indices[index]), flip
