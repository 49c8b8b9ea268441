"""The file of a trained re-ageing network in half precision, without what only training needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from work.models.checkpoint import load_state, read_checkpoint, read_result, save_checkpoint
from work.models.freezing import freeze
from work.models.reaging.unet import ReagingNet

KIND = "reaging"
FILE = "reaging.pdparams"
PREFIX = "reager."


def ship(folder: Path) -> Path:
    """Write the network of a run's last checkpoint, `FILE` in the run's folder, in float16.

    Raises:
        UserError: the run has saved nothing yet.
    """
    state = read_checkpoint(folder / "checkpoints" / "last.pdparams").state_dict
    named = {name: state[name] for name in state if name.startswith(PREFIX)}
    arrays = {name: np.asarray(value).astype(np.float16) for name, value in named.items()}
    path = folder / FILE
    save_checkpoint(path, KIND, arrays, None, {}, checksum=True)
    return path


def load_reager(path: Path) -> tuple[ReagingNet, Path]:
    """The network of a file, or of a run's folder, frozen; and the file.

    Raises:
        UserError: there is none, or it holds something else.
    """
    checkpoint, file = read_result(path, FILE, KIND, "train_reaging.py")
    net = ReagingNet()
    load_state(net, checkpoint.state_dict.part(PREFIX), file)
    return freeze(net), file
