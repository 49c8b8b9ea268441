"""The interface of all ageing models, which is all that scripts, films, the web page and the API know of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy as np
import paddle
from paddle import Tensor

from work.configs.target_age import Target
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.inference.shares import OnShare, ignore_progress, within
from work.progress import progress

Frames = Callable[[np.ndarray], Tensor]
ONE_PASS = "films of people need a model that adds a difference to each frame in one pass: --model direct or --method"


class AgeRefused(UserError):
    """An age that the model does not draw: others, and other faces, may go."""


class AgeingModel(ABC):
    """Aligned faces and target ages to pictures. A further model is one subclass of this.

    `encode` does the work that all ages of a face share. Its result is opaque, has a length, and is passed to the
    other methods. Models without a generator do not implement the methods that deal with codes.

    Attributes:
        output_size: pixels of a side of the pictures.
        n_styles: codes of a face; 0 for a model without a generator.
        knows_age: False for a pSp, which draws faces at their own age only.
        composites: the pictures are the photo with the change blended in, not the generator's own.
        additive: the pictures are the photo with a difference added to it; see NewFace.
        seamless: they are the photo itself at their borders, so they can be put back without a mask.
        scalable: the change can be made weaker or stronger, see `--strength`.
        youngest: years; target ages below are refused.
        refines: faces are learned by gradient steps, whose number is the caller's choice between speed and likeness.
    """

    output_size: int
    n_styles: int = 0
    knows_age: bool = True
    composites: bool = False
    additive: bool = False
    seamless: bool = False
    scalable: bool = False
    refines: bool = False
    youngest: float = 0.0

    def require_age(self, years: float) -> None:
        """Raises AgeRefused if this target age is one that the model does not draw."""
        if years < self.youngest:
            raise AgeRefused(
                f"target age {years:.3g}: this model makes people of {self.youngest:g} and older; "
                "--model embedded makes children, in photos alone"
            )

    def require_targets(self, targets: Sequence[Target]) -> None:
        """Raises AgeRefused if one of these typed ages, relative ones aside, is one that the model does not draw."""
        for target in targets:
            if not target.relative:
                self.require_age(float(target.text))

    def require_ageing(self, source: Optional[str]) -> None:
        """Raises UserError if the model, loaded from `source`, knows no ages at all."""
        if not self.knows_age:
            raise UserError(f"{source} is a pSp checkpoint, which knows no ages")

    def refusals(self, encoded: Any, years: Tensor) -> dict[int, AgeRefused]:
        """Those of N encoded faces that are not drawn at their target ages [N] in years, by number, and why."""
        found = {}
        for i, target in enumerate(years.numpy()):
            try:
                self.require_change(encoded, i, float(target))
            except AgeRefused as error:
                found[i] = error
        return found

    def require_change(self, encoded: Any, which: int, years: float) -> None:
        """Raises AgeRefused if the model does not draw one of some encoded faces at this target age."""
        self.require_age(years)

    @abstractmethod
    def encode(
        self,
        faces: Sequence[AlignedFace],
        w_plus: Optional[Tensor] = None,
        steps: Optional[int] = None,
        on_share: OnShare = ignore_progress,
    ) -> Any:
        """All that does not depend on the target age, for N faces.

        Args:
            faces: the model takes from each as many pixels as it can use.
            w_plus: the faces' codes [N, n_styles, 512], where they are known already (the projector's).
            steps: gradient steps per face; the model's own number by default. Ignored by models that take none.
            on_share: called with the share that is done; models that take no longer than a second may not call it.
        """

    def encode_known(self, faces: Sequence[AlignedFace], ages: Sequence[float]) -> Any:
        """As `encode`, for N faces whose own ages in years are known: the frames of a film. Additive models have it."""
        raise UserError(ONE_PASS)

    @abstractmethod
    def ages(self, encoded: Any) -> list[float]:
        """Estimated ages of the encoded faces, in years, to which relative targets are added."""

    @abstractmethod
    def transform(self, encoded: Any, target_ages: Tensor, resize: bool = False) -> Tensor:
        """N encoded faces at target ages [N] in years -> pictures [N, 3, S, S] in [-1, 1].

        S is the output size, or 256 with `resize`.
        """

    @property
    def per_frame(self) -> AgeingModel:
        """The model for films of people: this one, or one that it holds."""
        return self

    def for_size(self, pixels: int) -> AgeingModel:
        """The model for faces that have so many pixels in a film: this one, or a faster one that sees fewer."""
        return self

    def drawn_by(
        self, encoded: Any, ages: Sequence[float], on_share: OnShare = ignore_progress
    ) -> tuple[AgeingModel, Any]:
        """The model that draws these ages in years (this one, or one that it chooses), and its encoding of the faces.

        Args:
            on_share: as for `encode`; the chosen model may have to learn the faces first.
        """
        return self, encoded

    def target_years(self, encoded: Any, target: Target) -> Tensor:
        """A typed target age for each encoded face, [N] years; a relative one adds to each face's own age."""
        own = self.ages(encoded) if target.relative else [0.0] * len(encoded)
        return paddle.to_tensor([target.years(age) for age in own], dtype="float32")

    def frames(self, encoded: Any, stations: Sequence[float]) -> Frames:
        """A film of one encoded face: a function from ages [N] in years to pictures [N, 3, S, S].

        Args:
            stations: the ages in years that the film goes through.
        """

        def draw(ages: np.ndarray) -> Tensor:
            pictures = [self.transform(encoded, paddle.full([1], float(age))) for age in ages]
            return paddle.concat(pictures)

        return draw

    def codes(self, encoded: Any, target_ages: Tensor) -> Tensor:
        """N encoded faces at target ages [N] in years -> w_plus [N, n_styles, 512]."""
        raise self._no_generator()

    def render(self, w_plus: Tensor, resize: bool = False) -> Tensor:
        """w_plus [N, n_styles, 512] -> the generator's pictures [N, 3, S, S], 256 px with `resize`."""
        raise self._no_generator()

    def invert(
        self, faces: Tensor, steps: Optional[int] = None, on_share: OnShare = ignore_progress
    ) -> Tensor:
        """Faces [N, 3, 256, 256] in [-1, 1] -> their w_plus [N, n_styles, 512], without ageing; else as `encode`."""
        raise self._no_generator()

    def random_codes(self, n: int) -> Tensor:
        """w_plus [n, n_styles, 512] of people who do not exist."""
        raise self._no_generator()

    def _no_generator(self) -> UserError:
        return UserError(
            "this model has no generator, which mixing, projecting and interpolating need; "
            "choose SAM (--checkpoint_path) or the embedded model"
        )


def invert_each(model: AgeingModel, faces: Sequence[AlignedFace]) -> list[Tensor]:
    """The w_plus [1, n_styles, 512] of each face, under a progress bar."""
    codes = []
    with progress(total=len(faces), unit="face", label="inverting", leave=False) as bar:
        for i, face in enumerate(faces):
            codes.append(model.invert(face.tensor(), on_share=within(bar.reach, i, i + 1)))
            bar.reach(i + 1)
    return codes
