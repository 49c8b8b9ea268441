"""Ranger, the optimizer of SAM and pSp: RAdam, Lookahead and gradient centralisation in one.

Sources: RAdam, Liu et al. 2020, algorithm 2; Lookahead, Zhang et al. 2019, algorithm 1; gradient centralisation,
Yong et al. 2020, equation 1. The order of operations, and so the numbers, are those of the official PyTorch code.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import paddle

from work.errors import UserError
from work.training.ranger_op import step as steps
from work.training.ranger_op.build import BuildError
from work.training.ranger_op.state import State, pack, unpack
from work.training.ranger_op.update_rule import (
    check_dtype,
    check_hyper,
    checked_group,
    gc_layout,
    radam_factor,
)

_warned: list[str] = []


class Ranger(paddle.optimizer.Optimizer):
    """RAdam with Lookahead and gradient centralisation, dygraph only.

    Args:
        learning_rate: a float or a paddle.optimizer.lr.LRScheduler.
        parameters: tensors, or groups as dicts with `params` and any of `learning_rate` (a factor
            of the optimizer's, as everywhere in Paddle), `weight_decay`, `grad_clip` (applied to
            the group alone), `betas`, `epsilon`, `alpha`, `k`.
        alpha, k: every `k` steps the slow weights move `alpha` of the way to the fast ones, which then continue from
            there. The slow weights start as the weights before the first step.
        n_sma_threshold: up to this length of RAdam's moving average, at least 4, steps are not adaptive.
        weight_decay: decoupled: weights shrink by `learning_rate * weight_decay` before each step.
        use_gc, gc_conv_only: see `ranger_op.update_rule.gc_layout`.
        multi_precision: keep float32 copies of float16 and bfloat16 parameters (`paddle.amp.decorate` sets it too).
        names: the model's `dict(model.named_parameters())`, under whose names the state is saved. Without it Paddle's
            own names are used; another process gives the same ones only if it makes the same layers in the same order.
        impl: "ref" is plain Paddle, "compiled" the operator (built at the first step), "auto" the operator if it can
            be built, else plain Paddle after one warning.

    Raises:
        UserError: an argument is out of range, or a group has an unknown key. At the first step: a parameter's type is
            not supported, or the operator cannot be built with impl="compiled".
    """

    def __init__(
        self,
        learning_rate: float | paddle.optimizer.lr.LRScheduler = 1e-3,
        parameters: Any = None,
        alpha: float = 0.5,
        k: int = 6,
        n_sma_threshold: float = 5,
        betas: tuple[float, float] = (0.95, 0.999),
        epsilon: float = 1e-5,
        weight_decay: float = 0.0,
        use_gc: bool = True,
        gc_conv_only: bool = False,
        grad_clip: Any = None,
        multi_precision: bool = False,
        names: Mapping[str, paddle.Tensor] | None = None,
        impl: str = "auto",
        name: str | None = None,
    ) -> None:
        if impl not in ("auto", "ref", "compiled"):
            raise UserError(f"impl is {impl!r}, it must be auto, ref or compiled")
        if n_sma_threshold < 4:
            raise UserError(
                f"n_sma_threshold is {n_sma_threshold}; below 4 RAdam takes a negative root"
            )
        self._hyper = {
            "betas": tuple(betas),
            "epsilon": epsilon,
            "alpha": alpha,
            "k": k,
            "decay": weight_decay,
        }
        check_hyper(self._hyper)
        if isinstance(parameters, (list, tuple)) and parameters and isinstance(parameters[0], dict):
            parameters = [checked_group(group) for group in parameters]
        # Paddle's own weight_decay is not decoupled: ours travels as `decay`.
        super().__init__(
            learning_rate, parameters, weight_decay=None, grad_clip=grad_clip, name=name
        )
        self._threshold, self._use_gc, self._gc_conv_only = n_sma_threshold, use_gc, gc_conv_only
        self._impl, self._multi_precision = impl, multi_precision
        self._names = {id(param): key for key, param in (names or {}).items()}
        self._state: dict[int, State] = {}
        self._found_inf: Any = None

    @paddle.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient; none at all if a GradScaler found infinities."""
        found_inf, self._found_inf = self._found_inf, None
        if found_inf is None or not bool(found_inf):
            super().step()

    def minimize(self, loss, startup_program=None, parameters=None, no_grad_set=None):
        """Step, as Paddle's minimize does after loss.backward(). Returns (None, None)."""
        if parameters is not None or no_grad_set is not None:
            raise UserError(
                "Ranger.minimize takes only the loss; choose the parameters when making the optimizer"
            )
        self.step()
        return None, None

    def _set_auxiliary_var(self, key: str, val: Any) -> None:
        super()._set_auxiliary_var(key, val)  # the scaler reads it back after the step
        if key == "found_inf":
            self._found_inf = val  # for the next step only: a later one may have no scaler

    def _apply_optimize(self, loss, startup_program, params_grads, param_group_idx=0):
        group: dict[str, Any] = {}
        clip = self._grad_clip
        if not isinstance(params_grads, list):
            group, clip = params_grads, params_grads["grad_clip"]
            params_grads = params_grads["params"]
        if not params_grads:
            return []
        if clip is not None:
            params_grads = clip(params_grads)
        # Adds the penalty that a ParamAttr may ask for; by default there is none.
        params_grads = self.append_regularization_ops(params_grads, None)
        hyper = {key: group.get(key, value) for key, value in self._hyper.items()}
        work = [
            self._update(param, grad, hyper) for param, grad in params_grads if grad is not None
        ]
        if work:
            step = self._implementation(work[0].param.place)
            step(work, steps.Constants(hyper["betas"], hyper["epsilon"], hyper["alpha"]))
        for param, _ in params_grads:
            state = self._state.get(id(param))
            if state is not None and state.master is not None:
                paddle.assign(state.master.astype(param.dtype), output=param)
        return []

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to resume bit for bit: see `pack`; with LR_Scheduler if there is one."""
        state = pack(self._named(), self._state)
        if isinstance(self._learning_rate, paddle.optimizer.lr.LRScheduler):
            state["LR_Scheduler"] = self._learning_rate.state_dict()
        return state

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, as tensors or numpy arrays.

        Raises:
            UserError: it does not fit.
        """
        packed = dict(state_dict)
        schedule = packed.pop("LR_Scheduler", None)
        states = unpack(self._named(), packed)
        if isinstance(self._learning_rate, paddle.optimizer.lr.LRScheduler):
            if schedule is None:
                raise UserError(
                    "this optimizer state has no LR_Scheduler, but the learning rate is scheduled"
                )
            self._learning_rate.set_state_dict(schedule)
        self._state = states

    load_state_dict = set_state_dict

    def exact(self, parameter: paddle.Tensor) -> paddle.Tensor:
        """The float32 copy of a half-precision parameter once it was stepped, else the parameter itself."""
        state = self._state.get(id(parameter))
        return parameter if state is None or state.master is None else state.master

    def _named(self) -> list[tuple[str, paddle.Tensor]]:
        params = []
        for entry in self._parameter_list:
            params += list(entry["params"]) if isinstance(entry, dict) else [entry]
        return [(self._names.get(id(param), param.name), param) for param in params]

    def _update(
        self, param: paddle.Tensor, grad: paddle.Tensor, hyper: dict[str, Any]
    ) -> steps.Update:
        if grad.is_selected_rows():
            raise UserError(
                f"parameter {param.name}: Ranger takes no sparse gradients; use sparse=False"
            )
        state = self._state.get(id(param)) or self._start(param)
        state.step += 1
        factor, adaptive = radam_factor(state.step, hyper["betas"], self._threshold)
        rate = float(self.get_lr()) * getattr(param, "optimize_attr", {}).get("learning_rate", 1.0)
        centre, rows = steps.CENTRE_NONE, 1
        if self._use_gc:
            centre, rows = gc_layout(param, self._gc_conv_only)
        return steps.Update(
            param if state.master is None else state.master,
            grad if grad.dtype == paddle.float32 else grad.astype("float32"),
            state.exp_avg,
            state.exp_avg_sq,
            state.slow,
            rows,
            centre,
            step_size=rate * factor,
            decay=rate * hyper["decay"],
            adaptive=adaptive,
            lookahead=state.step % hyper["k"] == 0,
        )

    def _start(self, param: paddle.Tensor) -> State:
        check_dtype(param, self._multi_precision)
        half = param.dtype != paddle.float32
        weights = param.detach().astype("float32") if half else param.detach()
        state = State(
            step=0,
            exp_avg=paddle.zeros_like(weights),
            exp_avg_sq=paddle.zeros_like(weights),
            slow=weights.clone(),
            master=weights if half else None,
        )
        self._state[id(param)] = state
        return state

    def _implementation(self, place: Any) -> steps.Step:
        if self._impl == "ref":
            return steps.reference_step
        try:
            return steps.load_compiled(place)
        except BuildError as error:
            if self._impl == "compiled":
                raise UserError(f"the compiled Ranger is not available: {error}") from error
            if not _warned:
                logging.getLogger(__name__).warning(
                    "Ranger runs in plain Paddle, several times slower: %s", error
                )
                _warned.append(str(error))
            return steps.reference_step
