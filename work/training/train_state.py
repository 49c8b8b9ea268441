"""What a run changes as it trains, which is what is saved and resumed: weights, optimizer, average, step, best loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

from paddle import Tensor, nn

from work.configs.train_options import TrainOptions
from work.errors import UserError
from work.models.checkpoint import Checkpoint, load_state
from work.models.psp import PSP
from work.training import networks
from work.training.ema import Average
from work.training.optimizers import full_precision, make_optimizer, set_state, state_of
from work.training.precision import Precision
from work.training.ranks import Ranks

KIND = "training_state"


@dataclass
class TrainState:
    """A run between two steps.

    Attributes:
        trained: the parameters of `net` that are trained, by name; they lie below `prefixes`.
        step: optimizer steps taken.
        best: the lowest validation loss so far.
    """

    net: PSP
    prefixes: tuple[str, ...]
    trained: dict[str, Tensor]
    optimizer: Any
    precision: Precision
    average: Average
    step: int = 0
    best: Optional[float] = None

    def train_mode(self, freeze_batch_norm: bool = False) -> None:
        """Training mode for what is trained, maybe without its batch norms; all else stays in evaluation mode."""
        self.net.train("decoder." in self.prefixes)
        if freeze_batch_norm:
            for layer in self.net.encoder.sublayers():
                if isinstance(layer, nn.layer.norm._BatchNormBase):
                    layer.eval()

    def update(self) -> None:
        """One step of the optimizer with the gradients that are there."""
        self.precision.step(self.optimizer)
        self.optimizer.clear_grad()
        self.average.update()
        self.step += 1

    def network_arrays(self) -> dict[str, Any]:
        """The whole network as users get it, in float32: with the averaged weights if there is an average."""
        trained = full_precision(self.optimizer, self.trained)
        return {**self.net.state_dict(), **trained, **self.average.state_dict()}

    def pack(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """All that `restore` needs: arrays by name, and plain data."""
        weights = {n: v for n, v in self.net.state_dict().items() if n.startswith(self.prefixes)}
        weights.update(full_precision(self.optimizer, self.trained))
        parts = {
            "weights": weights,
            "optimizer": state_of(self.optimizer, self.trained),
            "average": self.average.state_dict(),
        }
        arrays = {f"{part}/{n}": value for part, all_ in parts.items() for n, value in all_.items()}
        plain = {"step": self.step, "best": self.best, "scaler": self.precision.state_dict()}
        return arrays, plain

    def restore(self, saved: Checkpoint, source: Any) -> None:
        """Take over what `pack` gave.

        Raises:
            UserError: something is missing, or it is of another model or optimizer; names `source`.
        """
        if saved.kind != KIND:
            raise UserError(f"{source}: holds {saved.kind} weights, not the state of a run")
        step, best, scaler = _checked(saved.opts, source)
        for prefix in self.prefixes:
            weights = saved.state_dict.part(f"weights/{prefix}")
            load_state(getattr(self.net, prefix[:-1]), weights, source)
        try:
            set_state(self.optimizer, self.trained, saved.state_dict.part("optimizer/"))
            self.average.set_state_dict(saved.state_dict.part("average/"))
            self.precision.set_state_dict(scaler)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        self.step, self.best = step, best


def _checked(plain: dict[str, Any], source: Any) -> tuple[int, Optional[float], dict]:
    """Step, best loss and the loss scaler's state of a saved run."""
    step, best, scaler = plain.get("step"), plain.get("best"), plain.get("scaler")
    problem = ""
    if type(step) is not int or step < 0:
        problem = "its number of steps"
    elif best is not None and not (isinstance(best, float) and math.isfinite(best)):
        problem = "its best loss"
    elif not isinstance(scaler, dict):
        problem = "the state of its loss scaler"
    if problem:
        raise UserError(
            f"{source}: damaged: {problem} is missing or is no such thing; "
            "start a new run with --checkpoint_path and the weights of this one"
        )
    return step, best, scaler


def build_state(options: TrainOptions, ranks: Ranks, whole: Any = None) -> TrainState:
    """The state of a new run, on its device; `whole` as in `networks.build_network`."""
    net = networks.build_network(options, whole)
    net.encoder = ranks.synchronize_batch_norm(net.encoder)
    net.decoder.recompute = options.checkpoint_decoder
    prefixes = ("encoder.", "decoder.") if options.train_decoder else ("encoder.",)
    trained = networks.trained_parameters(net, prefixes)
    precision = Precision(options.amp, options.amp_dtype, ranks.gpu)
    optimizer = make_optimizer(
        options.optim_name, options.learning_rate, trained, options.amp == "O2"
    )
    precision.decorate(net.encoder, optimizer)
    average = Average(trained, options.ema)
    return TrainState(net, prefixes, trained, optimizer, precision, average)
