"""What a run changes as it trains, and so saves and resumes: weights, optimizers, average, step, best loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Protocol

import numpy as np
from paddle import Tensor, nn

from work.errors import UserError
from work.models.checkpoint import Checkpoint, load_state
from work.training.ema import Average
from work.training.optimizers import exact_weights, set_state, state_of
from work.training.precision import Precision

KIND = "training_state"


@dataclass
class Player:
    """An optimizer and the parameters that it updates, by their names in the network.

    Attributes:
        rate: its learning rate as a multiple of the run's.
        name: what the names of its saved state start with, if a run has several, e.g. "generator/".
    """

    optimizer: Any
    trained: dict[str, Tensor]
    rate: float = 1.0
    name: str = ""


class Memory(Protocol):
    """What else a recipe keeps from step to step, such as a pool of pictures."""

    def state_dict(self) -> dict[str, Any]: ...

    def set_state_dict(self, state: Mapping[str, Any]) -> None: ...


@dataclass
class TrainState:
    """A run between two steps.

    Attributes:
        kind: the kind of the network's checkpoints, e.g. "sam".
        prefixes: what the names of trained parameters start with; batch-norm statistics below them are saved too.
        memory: None for a recipe that keeps nothing else.
        step: optimizer steps taken.
        best: the lowest validation loss so far.
    """

    kind: str
    net: nn.Layer
    prefixes: tuple[str, ...]
    players: list[Player]
    precision: Precision
    average: Average
    memory: Optional[Memory] = None
    step: int = 0
    best: Optional[float] = None

    @property
    def trained(self) -> dict[str, Tensor]:
        """The parameters of all players, by name."""
        return {name: p for player in self.players for name, p in player.trained.items()}

    def set_learning_rate(self, rate: float) -> None:
        for player in self.players:
            player.optimizer.set_lr(rate * player.rate)

    def update(self) -> None:
        """Take one step with each optimizer."""
        self.precision.step([player.optimizer for player in self.players])
        for player in self.players:
            player.optimizer.clear_grad()
        if self.average.shadow:
            self.average.update(self._exact())
        self.step += 1

    def network_arrays(self) -> dict[str, Any]:
        """The whole network in float32, as users get it: with averaged weights if there is an average."""
        return {**self.net.state_dict(), **self._exact_arrays(), **self.average.state_dict()}

    def _exact(self) -> dict[str, Tensor]:
        parts = [exact_weights(player.optimizer, player.trained) for player in self.players]
        return {name: value for part in parts for name, value in part.items()}

    def _exact_arrays(self) -> dict[str, np.ndarray]:
        return {name: weight.numpy() for name, weight in self._exact().items()}

    def pack(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """All that `restore` needs: arrays by name, and plain data."""
        state = self.net.state_dict().items()
        weights: dict[str, Any] = {n: v for n, v in state if n.startswith(self.prefixes)}
        weights.update(self._exact_arrays())
        parts = {"weights/": weights, "average/": self.average.state_dict()}
        for player in self.players:
            parts[f"optimizer/{player.name}"] = state_of(player.optimizer, player.trained)
        if self.memory:
            parts["memory/"] = self.memory.state_dict()
        arrays = {f"{part}{n}": value for part, all_ in parts.items() for n, value in all_.items()}
        plain = {"step": self.step, "best": self.best, "scaler": self.precision.state_dict()}
        return arrays, plain

    def restore(self, saved: Checkpoint, source: Any) -> None:
        """Restore what `pack` returned.

        Raises:
            UserError: something is missing, or belongs to another model or optimizer; names `source`.
        """
        if saved.kind != KIND:
            raise UserError(f"{source}: holds {saved.kind} weights, not the state of a run")
        step, best, scaler = _checked(saved.opts, source)
        for prefix in self.prefixes:
            weights = saved.state_dict.part(f"weights/{prefix}")
            load_state(getattr(self.net, prefix[:-1]), weights, source)
        try:
            for player in self.players:
                moments = saved.state_dict.part(f"optimizer/{player.name}")
                set_state(player.optimizer, player.trained, moments)
            if self.memory:
                self.memory.set_state_dict(saved.state_dict.part("memory/"))
            self.average.set_state_dict(saved.state_dict.part("average/"))
            self.precision.set_state_dict(scaler)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        self.step, self.best = step, best


def _checked(plain: dict[str, Any], source: Any) -> tuple[int, Optional[float], dict]:
    """Step, best loss and the loss scaler's state of a saved run, if they are what they should be."""
    step, best, scaler = plain.get("step"), plain.get("best"), plain.get("scaler")
    if not isinstance(step, int) or step < 0:
        problem = "number of steps"
    elif best is not None and not (isinstance(best, float) and math.isfinite(best)):
        problem = "best loss"
    elif not isinstance(scaler, dict):
        problem = "loss scaler"
    else:
        return step, best, scaler
    raise UserError(
        f"{source}: damaged: the {problem} is missing or wrong; "
        "start a new run with --checkpoint_path and the weights of this one"
    )
