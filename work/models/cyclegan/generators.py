"""One file with the trained generators of several runs in half precision: what the ageing models load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from work.configs.cyclegan_options import FA
from work.configs.kinds import GANS, GANS_FILE
from work.errors import UserError
from work.models.checkpoint import (
    Checkpoint,
    load_state,
    read_checkpoint,
    read_result,
    save_checkpoint,
)
from work.models.cyclegan.cyclegan import GENERATORS
from work.models.cyclegan.generator import Generator, blocks_for
from work.models.freezing import freeze

SHAPE = ("size", "ngf", "blocks", "residual", "upsample", "crop", "groups", "age_net", "oldest")
LATER = ("upsample", "oldest")  # files of older versions lack these


def collect(folder: Path) -> Path:
    """Write the generators of all runs below a folder into one file, the folder's own.

    Args:
        folder: holds RUN/checkpoints/last.pdparams; runs that have saved nothing yet are left out.

    Raises:
        UserError: no run has saved anything, or they differ in what a generator is.
    """
    arrays: dict[str, np.ndarray] = {}
    shapes: dict[str, dict[str, Any]] = {}
    for last in sorted(folder.glob("*/checkpoints/last.pdparams")):
        run, checkpoint = last.parents[1].name, read_checkpoint(last)
        shapes[run] = {name: checkpoint.opts[name] for name in SHAPE}
        for name in checkpoint.state_dict:
            if name.startswith(tuple(f"{part}." for part in GENERATORS)):
                arrays[f"{run}/{name}"] = checkpoint.state_dict[name].astype(np.float16)
    if not shapes:
        raise UserError(f"{folder}: no run in it has saved a checkpoint yet")
    first, shape = next(iter(shapes.items()))
    for run, other in shapes.items():
        if run == FA and len(shapes) > 1:
            other["groups"] = shape["groups"]  # FA-GAN's only say how its sources were drawn
        if other != shape:
            raise UserError(f"{folder}: the runs {first} and {run} differ in their options")
    path = folder / GANS_FILE
    save_checkpoint(path, GANS, arrays, None, {**shape, "runs": list(shapes)}, checksum=True)
    return path


def read_generators(path: Path) -> Checkpoint:
    """The file of generators at a path, or of the run folder that the path names.

    Raises:
        UserError: there is none, or it holds something else, or less.
    """
    checkpoint = read_result(path, GANS_FILE, GANS, "train_cyclegan.py")[0]
    needed = [name for name in ("runs", *SHAPE) if name not in LATER]
    missing = [name for name in needed if name not in checkpoint.opts]
    if missing:
        raise UserError(f"{path}: its options lack {', '.join(missing)}")
    return checkpoint


def load_generator(checkpoint: Checkpoint, run: str, direction: str, source: Any) -> Generator:
    """The generator "older" or "younger" of a run, frozen.

    Raises:
        UserError: it does not fit what the file says of itself.
    """
    opts = checkpoint.opts
    blocks = opts["blocks"] or blocks_for(opts["size"])
    shape = (opts["residual"], opts.get("upsample", "transposed"))
    net = Generator(opts["ngf"], blocks, 2 if run == FA else 0, *shape)
    load_state(net, checkpoint.state_dict.part(f"{run}/{direction}."), source)
    return freeze(net)
