"""How old the person in a photo is, by the readers that this package fitted."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import numpy as np
import paddle
from paddle import Tensor, nn

from work.inference.composite import is_grey
from work.inference.embedded.age_path import Aims
from work.installation import PACKAGE_FOLDER
from work.loading import load_lpips, load_network
from work.models.age_gender import AgeGenderReader, Backbones, combine
from work.models.checkpoint import load_state, read_checkpoint
from work.models.face_chip import face_chip

FITTED = PACKAGE_FOLDER / "embedded.pdparams"  # made by work/training/embedded
# By reading: how many years younger people are read in grey than in colour; the median of 562 people of UTKFace
GREY_LIFT = (15, 25, 35, 45, 55, 65), (0.5, 1.5, 1.0, 0.5, 2.5, 3.0)


def run_reader(reader: nn.Layer, images: list[Tensor]) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Run an AgeGenderReader on N images [1, 3, S, S] and their mirror images.

    Returns:
        Both readings of ages [N, 2], averaged over image and mirror image; gender scores [2, N] of the image and of the
        mirror image; embeddings [N, D] of the images.
    """
    chips = paddle.concat([face_chip(image) for image in images])
    years, genders, people = reader(paddle.concat([chips, chips.flip(3)]))
    count = len(images)
    both = years.reshape([2, count, 2]).mean(axis=0)
    return both.numpy(), genders.numpy().reshape(2, count), people[:count]


def photo_reading(years: np.ndarray, photo: Tensor) -> float:
    """The reading of a photo [1, 3, S, S] in years, from both readings [2]; corrected for grey, which reads younger."""
    reading = float(combine(years[None])[0])
    return reading + (float(np.interp(reading, *GREY_LIFT)) if is_grey(photo) else 0.0)


class PersonReader:
    """Photos to the ages of the people in them.

    Args:
        reader: an AgeGenderReader; `aims` knows how its readings belong to ages.
    """

    def __init__(self, reader: nn.Layer, aims: Aims):
        self.reader, self.aims = reader, aims

    @paddle.no_grad()
    def __call__(self, photo: Tensor) -> float:
        """The age in years of an aligned photo [1, 3, S, S] in [-1, 1]."""
        both, _, _ = run_reader(self.reader, [photo])
        return self.aims.person(photo_reading(both[0], photo))


def read_fitted() -> dict[str, np.ndarray]:
    """What was fitted for the embedded model, by name."""
    fitted = read_checkpoint(FITTED).state_dict
    return {name: np.asarray(value, np.float32) for name, value in fitted.items()}


def fill(layer: nn.Layer, fitted: Mapping[str, np.ndarray], prefix: str) -> None:
    """Give a layer its fitted weights."""
    load_state(layer, {name: fitted[prefix + name] for name in layer.state_dict()}, FITTED)


def load_person_reader(
    fitted: Mapping[str, np.ndarray], lpips: Optional[Any] = None, identity: Optional[Any] = None
) -> PersonReader:
    """The reader of `read_fitted()`.

    Args:
        lpips, identity: the networks that it looks through, if they are loaded already.
    """
    networks = Backbones(
        load_network("age_v1"), identity or load_network("dlib_face"), lpips or load_lpips()
    )
    reader = AgeGenderReader(networks)
    fill(reader, fitted, "reader.")
    return PersonReader(reader, Aims(fitted["reader.truth"], fitted["reader.median"]))
