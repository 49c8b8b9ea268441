"""The projection of one face: its latent code, which the projector optimises, and its own optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from work.configs.project_options import ProjectorOptions
from work.errors import UserError
from work.projector.spaces import Space
from work.training.optimizers import set_state, state_of

PATIENCE, GAIN = 20, 0.005  # early stop: steps without so much of the loss gained


class Projection:
    """One face on its way.

    Args:
        face: [1, 3, 256, 256] in [-1, 1].
        start: its first code [1, L, 512], in the coordinates of the space.
        mask: [1, 1, 256, 256]; 0 where the picture does not count.
        features: what LPIPS sees in the face.

    Attributes:
        losses: LPIPS and squared error of every code so far, [T, 2] as a list; the first are the start's.
        best: the W+ [1, L, 512] ("w_plus") and noise maps of the lowest loss so far.
    """

    def __init__(
        self,
        face: Tensor,
        start: Tensor,
        space: Space,
        options: ProjectorOptions,
        mask: Tensor,
        features: list[Tensor],
    ):
        self.face, self.start, self.space, self.options = face, start, space, options
        self.mask, self.features = mask, features
        self.layer_mask = np.ones([1, space.n_styles, 1], np.float32)
        if options.levels is not None:
            self.layer_mask[:] = 0
            self.layer_mask[:, options.levels] = 1
        self.parts: dict[str, Tensor] = {}
        if space.rates[0]:
            self.parts["together"] = _trained(np.zeros([1, 1, 512]), space.rates[0])
        self.parts["own"] = _trained(np.zeros([1, space.n_styles, 512]), space.rates[1])
        noise = space.noise if options.optimize_noise else []
        self.noise_names = [f"noise_{i}" for i in range(len(noise))]
        self.parts.update(
            {name: _trained(x.numpy(), 1.0) for name, x in zip(self.noise_names, noise)}
        )
        self.optimizer = paddle.optimizer.Adam(parameters=list(self.parts.values()))
        self.losses: list[tuple[float, float]] = []
        self.waiting = False  # the current code has been judged, but no step was made from it
        self.best: dict[str, np.ndarray] = {}

    def codes(self) -> Tensor:
        """Where it is now, [1, L, 512]."""
        way = self.parts["own"]
        if "together" in self.parts:
            way = way + self.parts["together"]
        return self.start + way * paddle.to_tensor(self.layer_mask)

    def noise(self) -> list[Tensor]:
        """Its noise maps; empty if they are not optimised."""
        return [self.parts[name] for name in self.noise_names]

    @property
    def totals(self) -> list[float]:
        """The losses as they are compared: LPIPS + mse_weight * squared error."""
        return [lpips + self.options.mse_weight * mse for lpips, mse in self.losses]

    @property
    def steps(self) -> int:
        """Steps that have been made."""
        return max(0, len(self.losses) - 1)

    @property
    def done(self) -> bool:
        """All steps are made, or no more is gained by them."""
        if self.steps >= self.options.step and self.losses:
            return True
        if not self.options.early_stop or self.steps < PATIENCE:
            return False
        totals = self.totals
        return min(totals) > (1 - GAIN) * min(totals[:-PATIENCE])

    def record(self, lpips: float, mse: float, w_plus: Tensor) -> None:
        """Take down the losses of the present code, and the code if it is the best so far.

        Raises:
            UserError: a loss is not a number.
        """
        if not np.isfinite(lpips + mse):
            raise UserError(f"step {self.steps}: the loss is {lpips + mse}; try a lower --start_lr")
        self.losses.append((lpips, mse))
        if self.totals[-1] <= min(self.totals):
            self.best = {name: self.parts[name].numpy() for name in self.noise_names}
            self.best["w_plus"] = w_plus.numpy()

    def move(self) -> None:
        """One Adam step, unless it is done; noise maps are brought back to mean 0 and deviation 1, as in appendix D."""
        self.waiting = self.done
        if self.waiting:
            self.optimizer.clear_grad()
            return
        self.optimizer.set_lr(learning_rate(self.steps, self.options))
        self.optimizer.step()
        self.optimizer.clear_grad()
        with paddle.no_grad():
            for x in self.noise():
                centred = x - x.mean()
                x.set_value(centred / centred.square().mean().sqrt())

    def state(self) -> dict[str, np.ndarray]:
        """All that resuming needs, as arrays by name."""
        state = {f"part.{name}": part.numpy() for name, part in self.parts.items()}
        state.update({f"best.{name}": value for name, value in self.best.items()})
        adam = state_of(self.optimizer, self.parts)
        adam.pop("LR_Scheduler", None)
        state.update({f"adam.{name}": np.asarray(value) for name, value in adam.items()})
        state["start"] = self.start.numpy()
        state["losses"] = np.asarray(self.losses, np.float64)
        state["waiting"] = np.asarray([self.waiting], np.int64)
        return state

    def resume(self, state: Any) -> None:
        """Take over what `state` gave."""
        arrays = {name: np.asarray(state[name]) for name in state}
        for name, part in self.parts.items():
            part.set_value(arrays[f"part.{name}"])
        self.start = paddle.to_tensor(arrays["start"])
        self.best = {n[len("best.") :]: x for n, x in arrays.items() if n.startswith("best.")}
        adam = {n[len("adam.") :]: x for n, x in arrays.items() if n.startswith("adam.")}
        set_state(self.optimizer, self.parts, adam)
        self.losses = [(float(a), float(b)) for a, b in arrays["losses"]]
        if arrays["waiting"][0] and not self.done:  # more steps are wanted now: judge it again
            self.losses.pop()


def _trained(values: np.ndarray, rate: float) -> Tensor:
    """A parameter with these values and this share of the learning rate."""
    attribute = paddle.ParamAttr(
        initializer=paddle.nn.initializer.Assign(values.astype(np.float32)), learning_rate=rate
    )
    return paddle.create_parameter(list(values.shape), "float32", attr=attribute)


def learning_rate(step: int, options: ProjectorOptions) -> float:
    """From `start_lr` at step 0 exponentially to `final_lr` at the last one."""
    share = min(1.0, step / max(1, options.step - 1))
    return options.start_lr * (options.final_lr / options.start_lr) ** share
