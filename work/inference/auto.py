"""The package's own two models as one: the direct network from 15 years on, the embedded model for children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable, Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.configs.target_age import Target
from work.faces.aligned import AlignedFace
from work.inference.direct import SIZE, YOUNGEST, DirectModel, SeenFace
from work.inference.embedded.model import EmbeddedModel
from work.inference.model import AgeingModel, Frames
from work.inference.shares import OnShare, ignore_progress


@dataclass
class EitherFace:
    """A face for both models; `learned` is what the embedded one knows, once it was asked."""

    face: AlignedFace
    seen: SeenFace
    w_plus: Optional[Tensor]
    steps: Optional[int]
    learned: list[Any] = field(default_factory=list)


class AutoModel(AgeingModel):
    """Chooses a model by age: the embedded one draws children, and ages people who are children in the photo.

    It is loaded, and encodes a face, only when first needed.

    Args:
        direct: the model for everybody else.
        load_children: loads the embedded model.
    """

    output_size = EmbeddedModel.output_size
    n_styles = EmbeddedModel.n_styles
    composites = True
    scalable = True
    refines = True

    def __init__(self, direct: DirectModel, load_children: Callable[[], EmbeddedModel]):
        self.direct, self._load_children = direct, load_children

    @cached_property
    def children(self) -> EmbeddedModel:
        """The embedded model."""
        return self._load_children()

    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> list[EitherFace]:
        """See AgeingModel; what the embedded model has to learn waits until it is needed."""
        codes = [None] * len(faces) if w_plus is None else list(w_plus.split(len(faces)))
        seen = self.direct.encode(faces)
        return [EitherFace(*each, steps) for each in zip(faces, seen, codes)]

    def ages(self, encoded: list[EitherFace]) -> list[float]:
        """See AgeingModel; as the package's readers see the photos."""
        return self.direct.ages([face.seen for face in encoded])

    def target_years(self, encoded: list[EitherFace], target: Target) -> Tensor:
        """See AgeingModel; relative ones as the model counts them that draws the face."""
        years = super().target_years(encoded, target)
        if not target.relative:
            return years
        drawn = [self.drawn_by([face], [float(age)]) for face, age in zip(encoded, years)]
        return paddle.concat([model.target_years(known, target) for model, known in drawn])

    @property
    def per_frame(self) -> AgeingModel:
        """See AgeingModel."""
        return self.direct

    def drawn_by(
        self, encoded: list[EitherFace], ages: Sequence[float], on_share: OnShare = ignore_progress
    ) -> tuple[AgeingModel, Any]:
        """See AgeingModel; the direct model if neither the ages nor one of the faces are a child's."""
        if min([*ages, *self.ages(encoded)]) >= YOUNGEST:
            return self.direct, [face.seen for face in encoded]
        return self.children, self._learned(encoded, on_share)

    def _learned(self, encoded: list[EitherFace], on_share: OnShare = ignore_progress) -> list[Any]:
        for face in encoded:
            if not face.learned:
                face.learned = self.children.encode([face.face], face.w_plus, face.steps, on_share)
        return [face.learned[0] for face in encoded]

    @paddle.no_grad()
    def transform(
        self, encoded: list[EitherFace], target_ages: Tensor, resize: bool = False
    ) -> Tensor:
        """See AgeingModel; the direct model's differences are brought to the embedded one's size."""
        pictures = []
        for i, face in enumerate(encoded):
            ages = target_ages[i : i + 1]
            model, known = self.drawn_by([face], [float(ages)])
            picture = model.transform(known, ages)
            if model is self.direct:
                change = picture - face.seen.photo
                change = F.interpolate(
                    change, scale_factor=self.output_size // SIZE, mode="bilinear"
                )
                picture = (face.face.tensor(self.output_size) + change).clip(-1, 1)
            pictures.append(picture)
        images = paddle.concat(pictures)
        return F.avg_pool2d(images, self.output_size // 256) if resize else images

    def frames(self, encoded: list[EitherFace], stations: Sequence[float]) -> Frames:
        """See AgeingModel; one of the models draws the whole film."""
        model, known = self.drawn_by(encoded, stations)
        return model.frames(known, stations)

    def codes(self, encoded: list[EitherFace], target_ages: Tensor) -> Tensor:
        """See AgeingModel."""
        return self.children.codes(self._learned(encoded), target_ages)

    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """See AgeingModel."""
        return self.children.render(w_plus, resize)

    def invert(
        self, faces: Tensor, steps: Optional[int] = None, on_share: OnShare = ignore_progress
    ) -> Tensor:
        """See AgeingModel."""
        return self.children.invert(faces, steps, on_share)

    def random_codes(self, n: int) -> Tensor:
        """See AgeingModel."""
        return self.children.random_codes(n)
