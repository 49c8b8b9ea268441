"""Ageing a face whose code the projector has found."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import Tensor

from work.configs.target_age import Target
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.inference.model import AgeingModel


def check_ages(model: AgeingModel | None, source: str | None) -> AgeingModel:
    """The model, if it can age. Raises UserError otherwise."""
    if model is None or not model.knows_age:
        raise UserError(
            f"--target_age: {source} holds no ageing model; give SAM's weights, or no --ckpt at all"
        )
    return model


@paddle.no_grad()
def age_projected(
    model: AgeingModel, face: AlignedFace, w_plus: Tensor, targets: Sequence[Target]
) -> list[Tensor]:
    """A projected face at some ages: SAM adds to the projected code, the embedded model moves it.

    Args:
        w_plus: [1, L, 512].
        targets: ages as they were typed.

    Returns:
        A picture [1, 3, S, S] in [-1, 1] per age.
    """
    encoded = model.encode([face], w_plus)
    return [model.transform(encoded, model.target_years(encoded, target)) for target in targets]
