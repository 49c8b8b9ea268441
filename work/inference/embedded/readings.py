"""Reading age, gender and identity of a photo's changed faces, relative to the photo itself."""

from __future__ import annotations

import numpy as np
from paddle import Tensor, nn

from work.inference.embedded.calibration import Rung
from work.inference.embedded.person_reader import photo_reading, run_reader
from work.models.age_gender import combine

# Years by which the generator's face has to change until the inverted face's own misreading no longer matters
FORGOTTEN = 30.0


def combine_cautiously(years: np.ndarray) -> np.ndarray:
    """The ages [N] of generated faces from both readings [N, 2]; above 60 the lower reading counts more.

    Faces that were made to look old fool the fit, although it reads real people better.
    """
    old = np.clip((years.mean(axis=1) - 45) / 30, 0, 1)
    cautious = 0.75 * years.min(axis=1) + 0.25 * years.max(axis=1)
    return (1 - old) * combine(years) + old * cautious


class Readings:
    """Reads changed faces of one photo.

    A composite can fool readers, so the generator's own face counts as much: a reading is the mean of the two. For
    faces that were made younger, where the composite keeps adult skin, it is the higher of the two. Of the two gender
    scores the one that agrees less with the photo's counts. The generator's face may be read as older or younger than
    the photo before anything has changed; this gap is corrected for while the face has changed little.

    Args:
        reader: an AgeGenderReader.
        photo, inverted: [1, 3, 256, 256] in [-1, 1], the photo and the generator's picture of it.
        composites: the delivered pictures are composites, not the generator's.

    Attributes:
        start: the rung without any shift, in whose readings the ladder counts.
        photo_reading: years that the photo of a person is read as, which grey does not make younger.
    """

    def __init__(self, reader: nn.Layer, photo: Tensor, inverted: Tensor, composites: bool):
        self.reader, self.composites = reader, composites
        both, genders, people = run_reader(self.reader, [photo, inverted])
        years = combine_cautiously(both)
        self.person, self.inverted_age = people[0], years[1]
        self.photo_reading = photo_reading(both[0], photo)  # nothing made that could fool the fit
        self.gap = years[0] - years[1] if composites else 0.0
        self.start = Rung(
            np.zeros(512), float(years[0 if composites else 1]), 0.0, float(genders[:, 0].mean())
        )

    def read_rung(self, shift: np.ndarray, aged: Tensor, delivered: Tensor, older: bool) -> Rung:
        """The rung of a shift [512] whose generated face and delivered picture are given, [1, 3, 256, 256] each."""
        images = [aged, delivered] if self.composites else [aged]
        both, genders, people = run_reader(self.reader, images)
        years = combine_cautiously(both)
        moved = abs(years[0] - self.inverted_age)
        years[0] += self.gap * max(0.0, 1 - moved / FORGOTTEN)
        side = np.sign(self.start.gender)
        return Rung(
            shift,
            float(years.mean() if older else years.max()),
            float((people[-1] - self.person).norm()),
            float(side * (side * genders).min()),
        )
