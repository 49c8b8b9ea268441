"""The files of a training run, written so that a kill at any moment costs at most the steps since the last save.

    opt.json                          the resolved options
    checkpoints/last.pdparams         the whole network, for the inference scripts (averaged if --ema)
    checkpoints/iteration_N.pdparams  the same at step N (a second name of the same file, no second copy)
    checkpoints/best_model.pdparams   the same at the lowest validation loss
    checkpoints/last.pdopt            what resuming needs: trained weights, optimizer, average, step, best loss

Each file is written under another name and then renamed, and a checkpoint ends with a checksum. `last.pdopt` holds
the trained weights itself, so it can be resumed beside any `last.pdparams` of the run: a kill may leave the two files
a save apart, but only what training never changes is read from `last.pdparams`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np

from work.configs.loop_options import LoopFlags
from work.errors import UserError
from work.files import atomic_write
from work.models.checkpoint import check_intact, read_checkpoint, save_checkpoint
from work.training.train_state import KIND, TrainState


class RunFiles:
    """What a run writes below its `exp_dir`, and reads back to resume."""

    def __init__(self, options: LoopFlags):
        self.options = options
        self.folder = Path(options.exp_dir)
        self.checkpoints = self.folder / "checkpoints"

    def prepare(self) -> None:
        """Make the folders, write `opt.json`, remove what a killed run left half-written."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        for pattern in (".*.pdparams", ".*.pdopt"):
            for path in self.checkpoints.glob(pattern):
                path.unlink()
        with atomic_write(self.folder / "opt.json") as path:
            path.write_text(json.dumps(self.options.plain(), indent=1) + "\n")

    def path(self, name: str) -> Path:
        return self.checkpoints / name

    def save_network(self, name: str, state: TrainState, also: str | None = None) -> None:
        """Write the whole network as `name`, and under the name `also` too.

        Raises:
            UserError: a trained weight is not finite; nothing is written then.
        """
        arrays = state.network_arrays()
        if not all(np.isfinite(arrays[name]).all() for name in state.trained):
            raise UserError(
                f"step {state.step}: some weights are not finite; nothing was written, "
                f"the last good checkpoint is {self.path('last.pdparams')}"
            )
        path = self.path(f"{name}.pdparams")
        latent_avg = getattr(state.net, "latent_avg", None)
        save_checkpoint(path, state.kind, arrays, latent_avg, self.options.plain(), checksum=True)
        if also:
            _link(path, self.path(f"{also}.pdparams"))

    def save_state(self, state: TrainState) -> None:
        """Write what resuming needs."""
        arrays, plain = state.pack()
        save_checkpoint(self.path("last.pdopt"), KIND, arrays, None, plain, checksum=True)

    def drop_old(self) -> None:
        """Remove the oldest iteration_N beyond `--keep`."""
        found = sorted(
            (int(match[1]), path)
            for path in self.checkpoints.glob("iteration_*.pdparams")
            if (match := re.fullmatch(r"iteration_(\d+)", path.stem))
        )
        keep = self.options.keep
        for _, path in found[:-keep] if keep else []:
            path.unlink()

    def check(self) -> None:
        """See that both files of the last save are there and as they were written.

        Raises:
            UserError: one is missing or damaged.
        """
        state = self.path("last.pdopt")
        if not state.exists():
            raise UserError(
                f"{state}: there is nothing to resume; the run was stopped before its first save"
            )
        for path in (self.path("last.pdparams"), state):
            check_intact(path)

    def resume(self, state: TrainState) -> None:
        """Put a run back to its last save.

        Raises:
            UserError: something is missing from it, or it is another model's.
        """
        source = self.path("last.pdopt")
        state.restore(read_checkpoint(source), source)


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, whole or not at all; a copy where the file system has no links."""
    temporary = name.with_name(f".{name.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(file, temporary)
    except OSError:
        shutil.copyfile(file, temporary)
    os.replace(temporary, name)
