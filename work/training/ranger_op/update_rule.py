"""Ranger's rules: how gradients are centralised, RAdam's factor of each step, and which arguments are valid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import paddle

from work.errors import UserError
from work.training.ranger_op import step as steps

GROUP_KEYS = {
    "params",
    "learning_rate",
    "weight_decay",
    "grad_clip",
    "betas",
    "epsilon",
    "alpha",
    "k",
}


def gc_layout(param: paddle.Tensor, conv_only: bool = False) -> tuple[int, int]:
    """How a gradient is centralised: CENTRE_NONE, CENTRE_ROWS or CENTRE_COLUMNS, and the rows of the matrix it is.

    The mean is taken over every axis except that of the outputs. This is axis 0 for convolutions, [out, in, k, k]. (For
    StyleGAN's [1, out, in, k, k] that leaves one mean over the whole tensor, as in the official code.) Paddle and this
    package store 2-D weights as [in, out]: there it is axis 1. A parameter's attribute `gc_axis` overrides this: 0, the
    last axis, or None for no centralisation. Vectors and scalars are left alone, and with `conv_only` everything of
    fewer than 4 dimensions.
    """
    ndim = len(param.shape)
    axis = getattr(param, "gc_axis", 1 if ndim == 2 else 0)
    if ndim <= (3 if conv_only else 1) or axis is None:
        return steps.CENTRE_NONE, 1
    if axis not in (0, ndim - 1):
        raise UserError(
            f"parameter {param.name}: gc_axis is {axis}, it must be 0, {ndim - 1} or None"
        )
    if axis == 0:
        return steps.CENTRE_ROWS, int(param.shape[0])
    return steps.CENTRE_COLUMNS, math.prod(param.shape[:-1])


def radam_factor(step: int, betas: tuple[float, float], threshold: float) -> tuple[float, bool]:
    """The factor of the learning rate at `step`, from 1, and whether to divide by the second moment's root."""
    beta1, beta2 = betas
    decayed = beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * decayed / (1 - decayed)
    debias = 1 / (1 - beta1**step)
    if length <= threshold:
        return debias, False
    rectified = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return debias * math.sqrt((1 - decayed) * rectified), True


def checked_group(group: Mapping[str, Any]) -> dict[str, Any]:
    """Check a parameter group, and rename weight_decay, which Paddle would take for an L2 penalty."""
    unknown = sorted(set(group) - GROUP_KEYS)
    if unknown:
        raise UserError(
            f"parameter group: unknown key {unknown[0]!r}; known: {', '.join(sorted(GROUP_KEYS))}"
        )
    group = {("decay" if key == "weight_decay" else key): value for key, value in group.items()}
    if "params" not in group:
        raise UserError("a parameter group needs the key 'params'")
    check_hyper(group)
    params = group["params"]
    group["params"] = [params] if isinstance(params, paddle.Tensor) else list(params)
    return group


def check_hyper(values: Mapping[str, Any]) -> None:
    rules = {
        "betas": (
            lambda v: len(v) == 2 and all(0 <= beta < 1 for beta in v),
            "two numbers in [0, 1)",
        ),
        "epsilon": (lambda v: v > 0, "positive"),
        "alpha": (lambda v: 0 <= v <= 1, "in 0..1"),
        "k": (lambda v: v == int(v) and v >= 1, "a whole number from 1"),
        "decay": (lambda v: isinstance(v, (int, float)) and v >= 0, "a number from 0"),
    }
    for key, (holds, wanted) in rules.items():
        if key in values and not holds(values[key]):
            flag = "weight_decay" if key == "decay" else key
            raise UserError(f"Ranger: {flag} is {values[key]}, it must be {wanted}")


def check_dtype(param: paddle.Tensor, multi_precision: bool) -> None:
    if param.dtype == paddle.float32:
        return
    if param.dtype not in (paddle.float16, paddle.bfloat16):
        raise UserError(
            f"parameter {param.name} is {param.dtype}: Ranger takes float32, float16 and bfloat16"
        )
    if not multi_precision:
        raise UserError(
            f"parameter {param.name} is {param.dtype}: make Ranger with multi_precision=True"
        )
