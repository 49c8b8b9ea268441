"""What a run leaves on disk, so that a kill at any moment costs at most the steps since the last save.

    checkpoints/last.pdparams         the whole network, for the inference scripts (averaged if --ema)
    checkpoints/iteration_N.pdparams  the same at step N (a second name of the same file, no second copy)
    checkpoints/best_model.pdparams   the same at the lowest validation loss
    checkpoints/last.pdopt            what resuming needs: trained weights, optimizer, average, step, best loss

Each file is written under another name and renamed. `last.pdopt` holds the trained weights itself: whichever
of the two `last` files a kill left behind the other, it goes with any `last.pdparams` of the run, of which
resuming takes only what never changes.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from work.errors import UserError
from work.models.checkpoint import load_state, read_checkpoint, save_checkpoint
from work.training.optimizers import full_precision, set_state, state_of

STATE = "training_state"


class Checkpoints:
    """The folder `checkpoints` of a run.

    Args:
        folder: is made, and cleared of files that a kill left half-written.
        keep: how many iteration_N stay; 0 keeps all.
    """

    def __init__(self, folder: Path, keep: int = 0):
        self.folder, self.keep = folder, keep

    def prepare(self) -> None:
        """Make the folder; remove what a killed run had begun to write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for pattern in (".*.pdparams", ".*.pdopt"):
            for path in self.folder.glob(pattern):
                path.unlink()

    def path(self, name: str) -> Path:
        return self.folder / name

    def save_model(self, name: str, run: Any, also: str | None = None) -> None:
        """Write the whole network of a run (see `Coach`) as `name`, under the name `also` too."""
        trained = full_precision(run.optimizer, run.trained)
        trained.update(run.average.state_dict())
        if not all(np.isfinite(value).all() for value in trained.values()):
            raise UserError(
                f"step {run.step}: some weights are not finite; nothing was written, "
                f"the last good checkpoint is {self.path('last.pdparams')}"
            )
        state = {**run.net.state_dict(), **trained}
        kind = "sam" if run.options.ages else "psp"
        opts = run.options.plain()
        save_checkpoint(self.path(f"{name}.pdparams"), kind, state, run.net.latent_avg, opts)
        if also:
            _link(self.path(f"{name}.pdparams"), self.path(f"{also}.pdparams"))

    def save_state(self, run: Any) -> None:
        """Write what resuming needs."""
        weights = {n: v for n, v in run.net.state_dict().items() if n.startswith(run.prefixes)}
        weights.update(full_precision(run.optimizer, run.trained))
        parts = {
            "weights": weights,
            "optimizer": state_of(run.optimizer, run.trained),
            "average": run.average.state_dict(),
        }
        arrays = {f"{part}/{n}": value for part, all_ in parts.items() for n, value in all_.items()}
        about = {"step": run.step, "best": run.best, "scaler": run.precision.state_dict()}
        save_checkpoint(self.path("last.pdopt"), STATE, arrays, None, about)

    def drop_old(self) -> None:
        """Remove the oldest iteration_N beyond `keep`."""
        found = sorted(
            (int(match[1]), path)
            for path in self.folder.glob("iteration_*.pdparams")
            if (match := re.fullmatch(r"iteration_(\d+)", path.stem))
        )
        for _, path in found[: -self.keep] if self.keep else []:
            path.unlink()

    def load(self, run: Any) -> None:
        """Put a run back to its last save.

        Raises:
            UserError: there is none, or it is another model's.
        """
        source = self.path("last.pdopt")
        if not source.exists():
            raise UserError(
                f"{source}: there is nothing to resume; the run was stopped before its first save"
            )
        state = read_checkpoint(source)
        if state.kind != STATE:
            raise UserError(f"{source}: holds {state.kind} weights, not the state of a run")
        for prefix in run.prefixes:
            weights = state.state_dict.part(f"weights/{prefix}")
            load_state(getattr(run.net, prefix[:-1]), weights, source)
        set_state(run.optimizer, run.trained, state.state_dict.part("optimizer/"))
        run.average.set_state_dict(state.state_dict.part("average/"))
        run.precision.set_state_dict(state.opts["scaler"])
        run.step, run.best = state.opts["step"], state.opts["best"]


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, whole or not at all; a copy where the file system has no links."""
    temporary = name.with_name(f".{name.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(file, temporary)
    except OSError:
        shutil.copyfile(file, temporary)
    os.replace(temporary, name)
