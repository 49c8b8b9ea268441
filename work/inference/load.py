"""From options to an ageing model on its device."""

from __future__ import annotations

from pathlib import Path

from work import runtime
from work.configs.options import ModelChoice, with_saved
from work.inference.engines.select import load_sam
from work.inference.model import AgeingModel
from work.models.checkpoint import read_checkpoint


def load_model(options: ModelChoice) -> AgeingModel:
    """Set up the device and the seed and load what `--checkpoint_path` names, or the embedded model.

    Raises:
        UserError: a checkpoint that cannot be used, or weights that cannot be fetched.
    """
    runtime.setup(options.device, options.seed)
    if options.checkpoint_path is None:
        from work.inference.embedded import REFINE_STEPS, load_embedded

        refine = REFINE_STEPS if options.refine is None else options.refine
        blend = options.blend or "composite"
        return load_embedded(refine, blend, options.engine, options.precision)
    checkpoint = read_checkpoint(options.checkpoint_path)
    merged = with_saved(options, checkpoint.opts or {})
    return load_sam(checkpoint, merged, Path(options.checkpoint_path))
