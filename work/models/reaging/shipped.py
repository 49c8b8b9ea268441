"""The file of a trained re-ageing network in half precision, without what only training needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from work.configs.kinds import REAGER, REAGING
from work.models.checkpoint import (
    Checkpoint,
    load_state,
    read_checkpoint,
    read_result,
    save_checkpoint,
)
from work.models.freezing import freeze
from work.models.reaging.nominal import NominalAges, read_nominal
from work.models.reaging.unet import ReagingNet

PREFIX = "reager."


@dataclass(frozen=True)
class Shipped:
    """A trained network, frozen; what to ask it for; and the file that both are from."""

    net: ReagingNet
    nominal: NominalAges
    file: Path


def ship(folder: Path) -> Path:
    """Write the network of a run's last checkpoint, `REAGER` in the run's folder, in float16.

    Raises:
        UserError: the run has saved nothing yet.
    """
    last = read_checkpoint(folder / "checkpoints" / "last.pdparams")
    return _save(folder / REAGER, _weights(last))


def add_nominal(path: Path, nominal: NominalAges) -> Path:
    """Write a shipped file, or that of a run's folder, again, with another table of nominal ages.

    Raises:
        UserError: it holds something else.
    """
    checkpoint, file = read_result(path, REAGER, REAGING, "train_reaging.py")
    return _save(file, {**_weights(checkpoint), **nominal.arrays()})


def _weights(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The network's alone, by name."""
    state = checkpoint.state_dict
    return {name: np.asarray(state[name]) for name in state if name.startswith(PREFIX)}


def _save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    half = {name: value.astype(np.float16) for name, value in arrays.items()}
    save_checkpoint(path, REAGING, half, None, {}, checksum=True)
    return path


def load_reager(path: Path) -> Shipped:
    """The network of a file, or of a run's folder.

    Raises:
        UserError: there is none, or it holds something else.
    """
    checkpoint, file = read_result(path, REAGER, REAGING, "train_reaging.py")
    net, state = ReagingNet(), checkpoint.state_dict
    load_state(net, state.part(PREFIX), file)
    return Shipped(freeze(net), read_nominal(state), file)
