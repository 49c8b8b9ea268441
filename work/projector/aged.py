"""Ageing a face whose code the projector has found."""

from __future__ import annotations

import dataclasses
from typing import Any

import paddle
from paddle import Tensor

from work.configs.target_age import Target
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.inference.composite import Composite
from work.inference.film_paths import encoded
from work.inference.model import SAM, years_of


def check_ages(model: Any, source: str | None) -> None:
    """Raise UserError if a model cannot age."""
    if model is None or (isinstance(model, SAM) and not model.knows_age):
        raise UserError(
            f"--target_age: {source} holds no ageing model; give SAM's weights, or no --ckpt at all"
        )


@paddle.no_grad()
def aged(model: Any, face: AlignedFace, w_plus: Tensor, targets: list[Target]) -> list[Tensor]:
    """A projected face at some ages.

    SAM adds its age encoder's codes to the projected code in place of the pSp encoder's; the embedded model
    calibrates its path of ages from the projected code on.

    Args:
        w_plus: [1, L, 512].
        targets: typed ages.

    Returns:
        A picture [1, 3, S, S] per age.
    """
    if isinstance(model, SAM):
        state = dataclasses.replace(encoded(model, face), start=w_plus)
        if model.uses_photos:
            state.composite = Composite(state.photos, model.render(w_plus))
    else:
        state = encoded(model, face, w_plus=w_plus)
    return [model.transform(state, years_of(model, state, target, 1))[0] for target in targets]
