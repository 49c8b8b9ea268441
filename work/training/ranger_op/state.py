"""Ranger's state of each parameter, packed for a file and unpacked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import paddle

from work.errors import UserError

TENSORS = ("exp_avg", "exp_avg_sq", "slow", "master")
Named = list[tuple[str, paddle.Tensor]]


@dataclass
class State:
    """Steps taken, the two moments, Lookahead's slow weights, and float32 copies of half-precision weights."""

    step: int
    exp_avg: paddle.Tensor
    exp_avg_sq: paddle.Tensor
    slow: paddle.Tensor
    master: paddle.Tensor | None = None


def pack(named: Named, states: Mapping[int, State]) -> dict[str, Any]:
    """{"NAME.step": int, "NAME.exp_avg": tensor, ...}; tensors are not copied, unused parameters have step 0."""
    packed: dict[str, Any] = {}
    for name, param in named:
        state = states.get(id(param))
        packed[f"{name}.step"] = state.step if state else 0
        for key in TENSORS:
            value = getattr(state, key, None)
            if value is not None:
                packed[f"{name}.{key}"] = value
    return packed


def unpack(named: Named, packed: Mapping[str, Any]) -> dict[int, State]:
    """The states that `pack` packed, as tensors or numpy arrays, copied to the parameters' devices.

    Raises:
        UserError: names or shapes differ from those in `named`; the message lists them.
    """
    problems, used = [], set()
    states: dict[int, State] = {}
    for name, param in named:
        used.add(f"{name}.step")
        if f"{name}.step" not in packed:
            problems.append(f"no {name}.step")
            continue
        step = int(packed[f"{name}.step"])
        if step == 0:
            continue
        half = param.dtype != paddle.float32
        tensors = {}
        for key in TENSORS if half else TENSORS[:-1]:
            full = f"{name}.{key}"
            used.add(full)
            if full not in packed:
                problems.append(f"no {full}")
            elif list(packed[full].shape) != list(param.shape):
                problems.append(
                    f"{full} is {list(packed[full].shape)}, the parameter {list(param.shape)}"
                )
            else:
                tensors[key] = paddle.to_tensor(packed[full], dtype="float32", place=param.place)
        if len(tensors) == (4 if half else 3):
            states[id(param)] = State(step, **tensors)
    problems += [f"{name} belongs to no parameter" for name in packed if name not in used]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"the state of another model's optimizer: {'; '.join(problems[:5])}{more}")
    return states
