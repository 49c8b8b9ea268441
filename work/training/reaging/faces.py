"""Which two pictures each position of a run stands for, and reading them: all draws are functions of seed and position.

For a rendered person these are two ages, and the network should turn the first picture into the second. For a photo
there is no such target; its companion is another person's photo, of the age that the first should get.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

import numpy as np
from PIL import Image

from work.datasets.ages import read_ages
from work.datasets.images import ImageError, find_images, read_image
from work.datasets.training import AGES, INPUTS, draw_face, random_generator
from work.datasets.transforms import to_input
from work.errors import UserError
from work.models.reaging.nominal import OLDEST, YOUNGEST
from work.training.reaging.augment import USED, draw_view, show, spoil
from work.training.reaging.covers import cover
from work.training.reaging.pairs import Person

CROP, WHOLE, PHOTO = "crop", "whole", "photo"
STAYS = 0.25  # share of photos that are asked for their own age
TRIES = 20  # samples in a row that may be unreadable


@dataclass(frozen=True)
class Sample:
    """Two pictures, and ages in years: the first one's own, and the target, which is the second one's."""

    kind: str
    source: Path
    companion: Path
    own: float
    target: float

    def __str__(self) -> str:
        return f"{self.source} to {self.target:.0f}"


@dataclass(frozen=True)
class Photos:
    """Real faces: files, and their ages in years [N]."""

    paths: list[Path]
    ages: np.ndarray


def read_photos(root: Path, table: Optional[Path] = None) -> Photos:
    """The photos of people of YOUNGEST to OLDEST years in a folder; `table` as in `read_ages`.

    Raises:
        UserError: no such folder, no ages, or too few photos.
    """
    paths = find_images(root)
    ages = read_ages(root, paths, table)
    fits = np.flatnonzero((ages >= YOUNGEST) & (ages <= OLDEST))
    if len(fits) < 2:
        raise UserError(
            f"{root}: two photos of people of {YOUNGEST:.0f} to {OLDEST:.0f} are needed"
        )
    return Photos([paths[i] for i in fits], ages[fits])


def split_photos(photos: Photos, every: int) -> tuple[Photos, Photos]:
    """Photos to train on, and those kept aside: the first of every so many, in the order of their names."""
    aside = np.arange(len(photos.paths)) % every == 0
    left, right = (
        Photos([path for path, mine in zip(photos.paths, part) if mine], photos.ages[part])
        for part in (~aside, aside)
    )
    return left, right


class ReagingFaces:
    """The samples of an endless stream.

    Args:
        kinds: of the samples of a batch in order; they repeat from batch to batch.
        people: for the kinds CROP and WHOLE; `photos` for PHOTO.
        size: pixels of a side.
        augmented: False shows whole faces as they are, as in use.

    Attributes:
        bad: pictures that could not be read; each is named once, and another sample takes the place.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        people: Sequence[Person],
        photos: Optional[Photos],
        seed: int,
        size: int = USED,
        augmented: bool = False,
    ):
        self.kinds, self.people, self.photos = list(kinds), people, photos
        self.seed, self.size, self.augmented = seed, size, augmented
        self.bad: dict[Path, ImageError] = {}

    def __len__(self) -> int:
        """How many pictures there are."""
        photos = len(self.photos.paths) if self.photos else 0
        return sum(len(person.pictures) for person in self.people) + photos

    def sample(self, position: int, again: int = 0) -> Sample:
        """The sample at a position; `again` counts those before it that could not be read."""
        batch, place = divmod(position, len(self.kinds))
        kind = self.kinds[place]
        rng = random_generator(self.seed, AGES, position, again)
        same = [i for i, other in enumerate(self.kinds) if (other == PHOTO) == (kind == PHOTO)]
        turn = batch * len(same) + same.index(place) + again
        if kind == PHOTO:
            return self._photo(turn, rng)
        person = self.people[draw_face(len(self.people), self.seed, turn)[0]]
        own = _any(list(person.pictures), rng)
        target = _any(person.partners(own), rng)
        return Sample(
            kind, person.pictures[own], person.pictures[target], float(own), float(target)
        )

    def _photo(self, turn: int, rng: np.random.Generator) -> Sample:
        assert self.photos is not None
        paths, ages = self.photos.paths, self.photos.ages
        index = draw_face(len(paths), self.seed + 1, turn)[0]  # not in step with people
        other = index
        if rng.random() >= STAYS:  # as close as any to a random age; of several, any
            asked = rng.uniform(YOUNGEST, OLDEST)
            distance = np.abs(ages - asked)
            near = np.flatnonzero(distance <= max(2.0, distance.min()))
            other = int(near[rng.integers(len(near))])
        return Sample(PHOTO, paths[index], paths[other], float(ages[index]), float(ages[other]))

    def read(self, index: int, flip: bool = False) -> tuple[np.ndarray, Sample]:
        """The pictures at a position, [2, 3, size, size] in [-1, 1], and what they are; mirroring is part of the view.

        Raises:
            UserError: TRIES samples in a row cannot be read.
        """
        for again in range(TRIES):
            chosen = self.sample(index, again)
            try:
                return self._show(chosen, random_generator(self.seed, INPUTS, index, again)), chosen
            except ImageError as error:
                if self.bad.setdefault(error.path, error) is error:
                    print(f"failed: {error}; another face takes its place", file=sys.stderr)
        raise UserError(f"{TRIES} faces in a row cannot be read, the last of them {chosen.source}")

    def _show(self, chosen: Sample, rng: np.random.Generator) -> np.ndarray:
        pictures = [read_image(path) for path in (chosen.source, chosen.companion)]
        if not self.augmented:
            return np.stack([to_input(picture, self.size) for picture in pictures])
        paired = chosen.kind != PHOTO
        view = draw_view(rng, self.size, chosen.kind != CROP, paired)
        if paired:
            pictures = cover(pictures, lambda: self._anything(rng), rng)
        shown = np.stack([show(picture, view, self.size) for picture in pictures])
        return (shown + spoil(shown[0], view, rng)).clip(-1, 1) if paired else shown

    def _anything(self, rng: np.random.Generator) -> Image.Image:
        """A rendered picture, of anybody."""
        person = self.people[int(rng.integers(len(self.people)))]
        return read_image(person.pictures[_any(list(person.pictures), rng)])


def _any(ages: list[int], rng: np.random.Generator) -> int:
    return ages[rng.integers(len(ages))]
