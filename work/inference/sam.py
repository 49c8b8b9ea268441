"""SAM and pSp as ageing models: an encoder, for SAM a frozen one whose codes it adds to, and StyleGAN2."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle
from paddle import Tensor

from work.configs.options import ModelChoice
from work.faces.aligned import AlignedFace, stack
from work.inference.composite import Composite, gates
from work.inference.engines.sam import fast_sam
from work.inference.film_paths import interpolate
from work.inference.model import AgeingModel, Frames
from work.inference.shares import OnShare, ignore_progress
from work.loading import load_network, load_psp
from work.models.checkpoint import Checkpoint
from work.models.psp import PSP, add_age_channel, face_pool


@dataclass
class SAMFaces:
    """N faces [N, 3, 256, 256] and the codes [N, n_styles, 512] to which SAM adds; `ages` once they were asked for."""

    faces: Tensor
    start: Optional[Tensor]
    composite: Optional[Composite] = None
    ages: Optional[list[float]] = None

    def __len__(self) -> int:
        return len(self.faces)


class SAM(AgeingModel):
    """SAM, or pSp, which knows no age.

    Args:
        net: with its weights.
        decode: maps w_plus to images instead of the network, when an engine does it.
        blend: "generator" is the official output; "composite" brings its change into the photo.
    """

    def __init__(
        self,
        net: PSP,
        decode: Optional[Callable[[Tensor], Tensor]] = None,
        blend: str = "generator",
    ):
        self.net, self._decode = net, decode or net.decode
        net.eval()
        self.output_size, self.n_styles = net.output_size, net.n_styles
        self.knows_age = net.input_nc == 4
        self.composites = self.seamless = blend == "composite"
        self.matte = load_network("person_matte") if self.composites else None
        self.autocast = False  # convolutions in bfloat16, for GPUs with tensor cores
        self.age_net: Any = None  # loaded when an age is asked for

    def _precision(self) -> Any:
        return paddle.amp.auto_cast(enable=self.autocast, dtype="bfloat16")

    @paddle.no_grad()
    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> SAMFaces:
        """See AgeingModel; the frozen pSp encoder runs here, once per face for all its ages, in one step."""
        inputs, start = stack(faces), w_plus
        if start is None:
            with self._precision():
                start = self.net.start_codes(inputs)
        encoded = SAMFaces(inputs, start)
        if self.composites:
            known = start if w_plus is not None or self.net.start_from_encoded_w_plus else None
            w_plus = self.invert(inputs) if known is None else known.astype("float32")
            inverted = self.render(w_plus)
            encoded.composite = Composite(stack(faces, self.output_size), inverted, self.matte)
        return encoded

    @paddle.no_grad()
    def ages(self, encoded: SAMFaces) -> list[float]:
        """See AgeingModel; a small network estimates them."""
        if encoded.ages is None:
            self.age_net = self.age_net or load_network("age_v1")
            encoded.ages = self.age_net.predict_age(encoded.faces).numpy().tolist()
        return encoded.ages

    @paddle.no_grad()
    def codes(self, encoded: SAMFaces, target_ages: Tensor) -> Tensor:
        """See AgeingModel."""
        faces = encoded.faces
        inputs = add_age_channel(faces, target_ages) if self.knows_age else faces
        with self._precision():
            return self.net.encode(inputs, encoded.start).astype("float32")

    @paddle.no_grad()
    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """See AgeingModel; uses the stored noise, so that the same code is the same picture."""
        with self._precision():
            images = self._decode(w_plus).astype("float32")
        return face_pool(images) if resize else images

    @paddle.no_grad()
    def transform(self, encoded: SAMFaces, target_ages: Tensor, resize: bool = False) -> Tensor:
        """See AgeingModel."""
        w_plus = self.codes(encoded, target_ages)
        if encoded.composite is None:
            return self.render(w_plus, resize)
        images = self._blend(encoded, self.render(w_plus), target_ages)
        return face_pool(images) if resize else images

    def _blend(self, encoded: SAMFaces, images: Tensor, years: Tensor) -> Tensor:
        assert encoded.composite is not None
        older = (years >= paddle.to_tensor(self.ages(encoded))).astype("float32")
        return encoded.composite(images, gates(older))

    def frames(self, encoded: SAMFaces, stations: Sequence[float]) -> Frames:
        """See AgeingModel; the encoder sees the stations only, the codes between them are interpolated."""
        ages = [paddle.full([1], float(age)) for age in stations]
        codes = paddle.concat([self.codes(encoded, age) for age in ages])

        @paddle.no_grad()
        def draw(years: np.ndarray) -> Tensor:
            images = self.render(interpolate(codes, stations, years))
            if encoded.composite is None:
                return images
            return self._blend(encoded, images, paddle.to_tensor(years.astype(np.float32)))

        return draw

    @paddle.no_grad()
    def invert(
        self, faces: Tensor, steps: Optional[int] = None, on_share: OnShare = ignore_progress
    ) -> Tensor:
        """See AgeingModel; the frozen encoder's codes, or pSp's own."""
        if self.net.start_from_encoded_w_plus:
            return self.net.pretrained_codes(faces)
        return self.net.encode(faces)

    @paddle.no_grad()
    def random_codes(self, n: int) -> Tensor:
        """See AgeingModel; from one random z each."""
        w = self.net.map(paddle.randn([n, 512]))
        return w.unsqueeze(1).tile([1, self.n_styles, 1])


def load_sam(checkpoint: Checkpoint, options: ModelChoice, source: Path) -> SAM:
    """SAM or pSp on the engine that the options ask for, else on Paddle.

    Args:
        options: fields that are not None beat what the weights show.
        source: the checkpoint's file.

    Raises:
        UserError: a checkpoint that cannot be used.
    """
    blend = options.blend or "generator"
    found = fast_sam(checkpoint, options, source)
    if found is not None:
        return SAM(*found, blend)
    model = SAM(load_psp(checkpoint, options, source), blend=blend)
    if options.precision == "bf16" and paddle.device.get_device() == "cpu":
        print("note: on a CPU Paddle computes in fp32", file=sys.stderr)
    else:
        model.autocast = options.precision == "bf16"
    return model
