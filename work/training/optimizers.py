"""Makes the optimizer of a run, and saves its state under the model's own parameter names."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import numpy as np
import paddle

from work.errors import UserError
from work.training.ranger import Ranger

Named = Mapping[str, paddle.Tensor]


def make_optimizer(
    name: str,
    learning_rate: float,
    named: Named,
    half: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    clip: Optional[float] = None,
) -> Any:
    """Make Ranger or Adam for named parameters.

    Args:
        half: keep float32 copies of half-precision parameters; Ranger alone can.
        betas: Adam's.
        clip: Adam's largest norm of all gradients together; longer ones are shortened.
    """
    parameters = list(named.values())
    if name == "ranger":
        return Ranger(learning_rate, parameters, names=named, multi_precision=half)
    shortened = paddle.nn.ClipGradByGlobalNorm(clip) if clip else None
    return paddle.optimizer.Adam(learning_rate, *betas, parameters=parameters, grad_clip=shortened)


def state_of(optimizer: Any, named: Named) -> dict[str, np.ndarray]:
    """The optimizer's state as arrays, with keys made from the names in `named`.

    Paddle's own keys, such as conv2d_7.w_0, count the layers that the process has made and differ in the next one.
    """
    state = optimizer.state_dict()
    names = [(p.name, name) for name, p in named.items()]
    names = [] if isinstance(optimizer, Ranger) else names
    return {_renamed(key, names): _array(value) for key, value in state.items()}


def set_state(optimizer: Any, named: Named, state: Mapping[str, np.ndarray]) -> None:
    """Restore what `state_of` returned.

    Raises:
        UserError: it belongs to another optimizer or another model, or is incomplete.
    """
    if isinstance(optimizer, Ranger):
        steps = {k: int(state[k][0]) for k in state if k.endswith(".step")}
        optimizer.set_state_dict({**{k: state[k] for k in state if k not in steps}, **steps})
        return
    names = [(name, p.name) for name, p in named.items()]
    _check_adam(named, names, state)
    optimizer.set_state_dict({_renamed(k, names): paddle.to_tensor(state[k]) for k in state})


def _check_adam(
    named: Named, names: list[tuple[str, str]], state: Mapping[str, np.ndarray]
) -> None:
    """Raise UserError where Paddle would only warn, or fail an assertion."""
    unknown = [key for key in state if _renamed(key, names) == key]
    moments = [key for key in state if key.endswith("_moment1_0")]
    if unknown or (state and not moments):
        raise UserError(f"the state of another optimizer or model: {', '.join(unknown[:3])}")
    for name in (key[: -len("_moment1_0")] for key in moments):
        for end in ("_moment1_0", "_moment2_0"):
            shape = list(state[name + end].shape) if name + end in state else None
            if shape != named[name].shape:
                raise UserError(f"the optimizer's {name}{end} is missing or of another shape")
        for end in ("_beta1_pow_acc_0", "_beta2_pow_acc_0"):
            if name + end not in state:
                raise UserError(f"the optimizer's {name}{end} is missing")


def _renamed(key: str, names: list[tuple[str, str]]) -> str:
    found = [pair for pair in names if key == pair[0] or key.startswith(pair[0] + "_")]
    if not found:
        return key
    old, new = max(found, key=lambda pair: len(pair[0]))
    return new + key[len(old) :]


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, paddle.Tensor) else np.array([value])


def exact_weights(optimizer: Any, named: Named) -> dict[str, paddle.Tensor]:
    """The weights in float32: Ranger's copies of half-precision parameters, else the parameters themselves."""
    exact = optimizer.exact if isinstance(optimizer, Ranger) else lambda parameter: parameter
    return {name: exact(p).astype("float32") for name, p in named.items()}
