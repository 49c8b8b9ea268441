"""From options to an ageing model on its device."""

from __future__ import annotations

from pathlib import Path

from work import runtime
from work.configs.options import TestOptions, with_saved
from work.errors import UserError
from work.inference.engines.select import load_sam
from work.inference.model import SAM
from work.models.checkpoint import read_checkpoint


def load_model(options: TestOptions) -> SAM:
    """Set up the device and the seed and load what `--checkpoint_path` names.

    Raises:
        UserError: no checkpoint, or one that cannot be used.
    """
    runtime.setup(options.device, options.seed)
    if options.checkpoint_path is None:
        raise UserError(
            "--checkpoint_path is needed: weights of SAM (see the README's table of weights), "
            "e.g. pretrained_models/sam_ffhq_aging.pdparams"
        )
    checkpoint = read_checkpoint(options.checkpoint_path)
    merged = with_saved(options, checkpoint.opts or {})
    return load_sam(checkpoint, merged, Path(options.checkpoint_path))
