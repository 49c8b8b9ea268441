"""Ageing a face whose code the projector has found."""

from __future__ import annotations

import dataclasses
from typing import Any

import paddle
from paddle import Tensor

from work.errors import UserError
from work.inference.aligned import AlignedFace
from work.inference.embedded import EmbeddedModel
from work.inference.journeys import encoded
from work.inference.model import SAM


class ProjectedModel(EmbeddedModel):
    """The embedded model with the codes of its next face given, instead of found by its own inversion."""

    def __init__(self, model: EmbeddedModel, w_plus: Tensor):
        self.__dict__.update(model.__dict__)  # all networks are shared
        self.projected = w_plus

    def invert(self, faces: Tensor) -> Tensor:
        return self.projected


def check_ages(model: Any, source: str | None) -> None:
    """Raise UserError if a model cannot age."""
    if model is None or (isinstance(model, SAM) and not model.knows_age):
        raise UserError(
            f"--target_age: {source} holds no ageing model; give SAM's weights, or no --ckpt at all"
        )


@paddle.no_grad()
def aged(model: Any, face: AlignedFace, w_plus: Tensor, years: list[float]) -> list[Tensor]:
    """A projected face at some ages.

    SAM adds its age encoder's codes to the projected code in place of the pSp encoder's; the embedded model
    calibrates its path of ages from the projected code on.

    Args:
        w_plus: [1, L, 512].

    Returns:
        A picture [1, 3, S, S] per age.
    """
    if isinstance(model, SAM):
        state = dataclasses.replace(encoded(model, face), start=w_plus)
        if model.uses_photos:
            state.inverted = model.render(w_plus)
    else:
        model = ProjectedModel(model, w_plus)
        state = encoded(model, face)
    return [model.transform(state, paddle.full([1], float(age)))[0] for age in years]
