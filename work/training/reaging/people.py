"""Which generated people are rendered: about equally many of each group of age, gender and skin tone.

A generator's samples are mostly light-skinned people of about thirty. A network that learned from them alone would
know those best, so candidates of groups that are ahead are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from work.inference.skin_tone import CHEEKS

YOUNGEST = 13.0  # years; children's heads have another shape at every age
AGE_BOUNDS = (25.0, 45.0)  # years
SKIN_BOUNDS = (10.0, 35.0)  # degrees of the typology angle: brown and darker | tan | light
GROUPS = (len(AGE_BOUNDS) + 1) * 2 * (len(SKIN_BOUNDS) + 1)
LEAD = 1.5  # times the mean group that a group may be ahead of the others
HEAD_START = 2  # people of any group that are always taken
TRUNCATIONS = (0.5, 0.95)


@dataclass(frozen=True)
class Candidate:
    """A sample of the generator, and what the readers see in it at its own age.

    Attributes:
        truncation: its distance to the generator's mean, as a share of the sample's.
        age: years.
        gender: the reader's score: 2 for male, -2 for female.
        skin: individual typology angle, degrees; see `typology_angle`.
    """

    seed: int
    truncation: float
    age: float
    gender: float
    skin: float

    @property
    def group(self) -> int:
        """The number of its group, below GROUPS."""
        age = int(np.digitize(self.age, AGE_BOUNDS))
        skin = int(np.digitize(self.skin, SKIN_BOUNDS))
        return (age * 2 + int(self.gender > 0)) * (len(SKIN_BOUNDS) + 1) + skin


def choose(candidates: Iterable[Candidate], counts: np.ndarray) -> list[Candidate]:
    """The candidates, in their order, whose groups are not ahead of the others.

    Args:
        counts: [GROUPS], people that were chosen before; counted on in place.
    """
    chosen = []
    for candidate in candidates:
        allowed = LEAD * counts.sum() / GROUPS + HEAD_START
        if candidate.age >= YOUNGEST and counts[candidate.group] < allowed:
            counts[candidate.group] += 1
            chosen.append(candidate)
    return chosen


def typology_angle(face: np.ndarray) -> float:
    """The skin tone of an aligned face, uint8 [S, S, 3], in degrees: below 10 brown and darker, above 41 light.

    Individual typology angle (Chardon et al. 1991), arctan((L* - 50) / b*), of the cheeks' median colour. The light
    of a picture moves it by tens of degrees.
    """
    lightness, _, yellow = skin_colour(face)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def skin_colour(face: np.ndarray) -> np.ndarray:
    """The median CIE L*, a*, b* of the cheeks of an aligned face, uint8 [S, S, 3]."""
    from skimage.color import rgb2lab

    size = face.shape[0]
    top, bottom, lefts, width = CHEEKS
    rows = slice(int(top * size), int(bottom * size))
    parts = [face[rows, int(left * size) : int((left + width) * size)] for left in lefts]
    return np.median(np.concatenate([rgb2lab(part).reshape(-1, 3) for part in parts]), axis=0)
