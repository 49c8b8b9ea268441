"""Two implementations of a Ranger step with one signature: `step(updates, constants)`, which works in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
import paddle

from work.training.ranger_op.build import BuildError, build

CENTRE_NONE, CENTRE_ROWS, CENTRE_COLUMNS = 0, 1, 2  # RangerCentre in ranger_math.h
OP_NAME = "sam_ranger_step"


@dataclass
class Constants:
    """The numbers that a whole parameter group shares."""

    betas: tuple[float, float]
    epsilon: float
    alpha: float


@dataclass
class Update:
    """One parameter's step: five float32 tensors of one shape, and what depends on the number of the step.

    Attributes:
        rows, centre: the gradient is seen as a matrix of `rows` rows; its mean is taken off each row, off each column,
            or not at all.
        step_size: the learning rate times RAdam's factor.
        decay: the learning rate times the weight decay.
    """

    param: paddle.Tensor
    grad: paddle.Tensor
    exp_avg: paddle.Tensor
    exp_avg_sq: paddle.Tensor
    slow: paddle.Tensor
    rows: int
    centre: int
    step_size: float
    decay: float
    adaptive: bool
    lookahead: bool


Step = Callable[[Sequence[Update], Constants], None]


@paddle.no_grad()
def reference_step(updates: Sequence[Update], constants: Constants) -> None:
    """The step in plain Paddle, for any device."""
    beta1, beta2 = constants.betas
    for u in updates:
        grad = u.grad
        if u.centre:
            axes = list(range(1, grad.ndim) if u.centre == CENTRE_ROWS else range(grad.ndim - 1))
            grad = grad - grad.mean(axes, keepdim=True)
        u.exp_avg_sq.scale_(beta2).add_(grad * grad * (1 - beta2))
        u.exp_avg.scale_(beta1).add_(grad * (1 - beta1))
        if u.decay:
            u.param.scale_(1 - u.decay)
        direction = (
            u.exp_avg / (u.exp_avg_sq.sqrt() + constants.epsilon) if u.adaptive else u.exp_avg
        )
        u.param.subtract_(direction * u.step_size)
        if u.lookahead:
            u.slow.add_((u.param - u.slow) * constants.alpha)
            paddle.assign(u.slow, output=u.param)


def _compiled_step(updates: Sequence[Update], constants: Constants) -> None:
    # detach() returns an alias of the same memory. Paddle lets no operator change a leaf that has a gradient in place,
    # not even under no_grad.
    params = [u.param.detach() for u in updates]
    grads = [u.grad if u.grad.is_contiguous() else u.grad.contiguous() for u in updates]
    flags = [u.centre | (4 if u.adaptive else 0) | (8 if u.lookahead else 0) for u in updates]
    place, stream = updates[0].param.place, 0
    if place.is_gpu_place():
        current = paddle.base.core._get_current_stream  # type: ignore[attr-defined]  # GPU builds only
        stream = int(current(place.gpu_device_id()).cuda_stream)
    beta1, beta2 = constants.betas
    paddle.base.core.eager._run_custom_op(
        OP_NAME,
        params,
        grads,
        [u.exp_avg for u in updates],
        [u.exp_avg_sq for u in updates],
        [u.slow for u in updates],
        [u.rows for u in updates],
        flags,
        [u.step_size for u in updates],
        [u.decay for u in updates],
        [beta1, 1 - beta1, beta2, 1 - beta2, constants.epsilon, constants.alpha],
        stream,
    )


_loaded: dict[str, Step | BuildError] = {}


def load_compiled(place: Any) -> Step:
    """The compiled step for tensors on `place`, built the first time and compared with the reference on small tensors.

    Raises:
        BuildError: there is no compiler, the build failed, or the numbers are wrong. It is not tried again.
    """
    if "library" not in _loaded:
        _loaded["library"] = _attempt(_register)
    library = _loaded["library"]
    if isinstance(library, BuildError):
        raise library
    device = "gpu" if place.is_gpu_place() else "cpu" if place.is_cpu_place() else str(place)
    if device not in _loaded:
        _loaded[device] = _attempt(lambda: _check(place))
    step = _loaded[device]
    if isinstance(step, BuildError):
        raise step
    return step


def _attempt(action: Callable[[], Step]) -> Step | BuildError:
    try:
        return action()
    except BuildError as error:
        return error


def _register() -> Step:
    path = build()
    try:
        paddle.base.core.load_op_meta_info_and_register_op(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise BuildError(
            f"Paddle cannot load {path}: {str(error).strip().splitlines()[0]}"
        ) from error
    return _compiled_step


def _check(place: Any) -> Step:
    if not (place.is_cpu_place() or place.is_gpu_place()):
        raise BuildError(f"the compiled Ranger runs on CPUs and NVIDIA GPUs, not on {place}")
    compiled, reference = _trial(place), _trial(place)
    constants = Constants((0.9, 0.99), 1e-5, 0.5)
    try:
        _compiled_step(compiled, constants)
        reference_step(reference, constants)
        wrong = _distance(compiled, reference)
    except (OSError, RuntimeError, ValueError) as error:
        raise BuildError(
            f"it does not run on {place}: {str(error).strip().splitlines()[-1]}"
        ) from error
    if not wrong < 1e-5:
        raise BuildError(f"on {place} it differs from plain Paddle by {wrong:.2g}")
    return _compiled_step


def _trial(place: Any) -> list[Update]:
    rng = np.random.default_rng(0)
    updates = []
    for centre, adaptive in ((CENTRE_NONE, True), (CENTRE_ROWS, False), (CENTRE_COLUMNS, True)):
        values = rng.standard_normal((5, 37, 67)).astype(np.float32)
        values[3] **= 2
        param, grad, exp_avg, exp_avg_sq, slow = (paddle.to_tensor(v, place=place) for v in values)
        tensors = param, grad, exp_avg, exp_avg_sq, slow
        updates.append(Update(*tensors, 37, centre, 0.1, 0.01, adaptive, not adaptive))
    return updates


def _distance(ours: Sequence[Update], theirs: Sequence[Update]) -> float:
    names = ("param", "exp_avg", "exp_avg_sq", "slow")
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(ours, theirs) for name in names]
    # Unlike max(), keeps a NaN.
    return float(np.max([(a - b).abs().max().item() for a, b in pairs]))
