"""Renders people that do not exist at many ages: the pairs from which the direct re-ageing network learns.

The teacher is the embedded model: a sample's code is known, so nothing is inverted, and its calibration moves the code
along the age path. Zoss et al. 2022, "Production-Ready Face Re-Aging for Visual Effects", section 3.1, do so with SAM.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from PIL import Image

from work.datasets.transforms import to_picture
from work.inference.embedded.calibration import Calibration, Limits, Rung
from work.inference.embedded.model import READ_SIZE, EmbeddedModel, load_embedded
from work.inference.embedded.readings import Readings, combine_cautiously
from work.loading import load_network
from work.models.face_chip import face_chip
from work.training.reaging.glasses import GlassesReader
from work.training.reaging.people import TRUNCATIONS, Candidate, typology_angle
from work.training.reaging.surroundings import share_surroundings

AGES = (15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 77, 85)  # years
YOUNGEST_READING = 12.0  # years; no rung further down is needed
# Limits for a person's finished pictures, by the readers that guided them; whoever misses one is left out
OFF = 7.0  # years between reading and aim, the mean over all ages
FALL = 6.0  # years that a picture may be read younger than one of a younger age
SURE = 0.6  # gender scores from which on the gender must stay the same, from ADULT on
ADULT = 20


class Verdict(NamedTuple):
    """What the readers say of the finished pictures of one person."""

    off: float  # years, mean over all ages
    fall: float  # years, the largest
    gender_kept: bool
    glasses: list[int]  # the ages at which they are worn

    @property
    def passed(self) -> bool:
        return self.off <= OFF and self.fall <= FALL and self.gender_kept


class Renderer:
    """Draws candidates and people. One per process."""

    def __init__(self) -> None:
        self.model: EmbeddedModel = load_embedded(refine=0, blend="generator")
        self.generator, self.mean = self.model.inverter.generator, self.model.inverter.mean
        self.matte = load_network("person_matte")
        self.wears_glasses = GlassesReader()
        self.limits = Limits(youngest=YOUNGEST_READING)

    def w_plus(self, seed: int) -> tuple[Tensor, float]:
        """The codes [1, n_styles, 512] and the truncation that belong to a seed."""
        rng = np.random.default_rng(seed)
        truncation = float(rng.uniform(*TRUNCATIONS))
        z = paddle.to_tensor(rng.standard_normal((1, 512)).astype(np.float32))
        w = self.mean + truncation * (self.generator.map(z) - self.mean)
        return w.unsqueeze(1).tile([1, self.model.n_styles, 1]), truncation

    @paddle.no_grad()
    def look(self, seed: int) -> Candidate:
        """What the readers see in the sample of a seed."""
        w_plus, truncation = self.w_plus(seed)
        face = self.generator.preview(w_plus).clip(-1, 1)
        both, gender, _ = self.model.reader(face_chip(face))
        age = self.model.aims.person(float(combine_cautiously(both.numpy())[0]))
        skin = typology_angle(np.asarray(to_picture(face[0].numpy())))
        return Candidate(seed, truncation, age, float(gender), skin)

    @paddle.no_grad()
    def render(self, person: Candidate) -> tuple[list[Image.Image], Verdict]:
        """The pictures of a person at AGES, 512 px, and what the readers say of them."""
        w_plus, _ = self.w_plus(person.seed)
        calibration, start = self._calibrate(w_plus)
        drawn = []
        for age in AGES:
            codes = self.model.moved(w_plus, calibration.shift(age), calibration.step(age))
            drawn.append(self.generator(codes, half=True).clip(-1, 1))
        mattes = [self.matte(picture)[0, 0].numpy() for picture in drawn]
        pictures = share_surroundings(
            paddle.concat(drawn).transpose([0, 2, 3, 1]).numpy(),
            np.stack(mattes),
            np.array(AGES, float),
            person.age,
        )
        faces = paddle.to_tensor(pictures.transpose(0, 3, 1, 2))
        return [to_picture(face.numpy()) for face in faces], self._judge(faces, start)

    def _calibrate(self, w_plus: Tensor) -> tuple[Calibration, Rung]:
        """As in the embedded model, at half of the generator's size and without children."""
        half = self.generator(w_plus, half=True)
        small = F.avg_pool2d(half, half.shape[-1] // READ_SIZE).clip(-1, 1)
        readings = Readings(self.model.reader, small, small, composites=False)

        def probe(shift: np.ndarray, step: float) -> Rung:
            aged = self.generator(self.model.moved(w_plus, shift, step), half=True)
            aged = F.avg_pool2d(aged, aged.shape[-1] // READ_SIZE).clip(-1, 1)
            return readings.read_rung(shift, aged, aged, step > 0)

        path, aims = self.model.path, self.model.aims
        return Calibration(path, aims, readings.start, probe, self.limits), readings.start

    def _judge(self, faces: Tensor, start: Rung) -> Verdict:
        small = F.avg_pool2d(faces, faces.shape[-1] // READ_SIZE)
        features = self.model.reader.features(face_chip(small))
        both, genders = self.model.reader.read(features)
        worn = self.wears_glasses(features.numpy())
        years, genders = combine_cautiously(both.numpy()), genders.numpy()
        aims = np.array([self.model.aims.reading(age) for age in AGES])
        fall = float((np.maximum.accumulate(years) - years).max())
        side = np.sign(start.gender) if abs(start.gender) >= SURE else 0.0
        grown = np.array(AGES) >= ADULT
        kept = bool((side * genders[grown] > -SURE).all())
        off = float(np.abs(years - aims).mean())
        return Verdict(off, fall, kept, [age for age, on in zip(AGES, worn) if on])
