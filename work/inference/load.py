"""From options to an ageing model on its device.

Importing this does not import Paddle, which takes a second: `load_model` uses that second.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from work import runtime
from work.configs.options import ModelChoice, with_saved
from work.inference.engines import openvino_engine
from work.inference.engines.cache import checked_folder
from work.inference.engines.engine import EngineUnavailable

if TYPE_CHECKING:
    from work.inference.model import AgeingModel

GANS = "ageing_gans"  # kind of a checkpoint of baselines
NVIDIA_DRIVER = "/proc/driver/nvidia"


def load_model(options: ModelChoice) -> AgeingModel:
    """Set up the device and the seed and load what `--checkpoint_path` names, or the embedded model.

    Raises:
        UserError: a checkpoint that cannot be used, or weights that cannot be fetched.
    """
    begin_early(options)
    runtime.setup(options.device, options.seed)
    folder = options.checkpoint_path is not None and Path(options.checkpoint_path).is_dir()
    if options.method or folder:
        return load_baseline_model(options)
    if options.checkpoint_path is None:
        from work.inference.embedded.model import load_embedded

        blend = options.blend or "composite"
        return load_embedded(options.steps, blend, options.engine, options.precision)
    from work.inference.sam import load_sam
    from work.models.checkpoint import read_checkpoint

    source = Path(options.checkpoint_path)
    checkpoint = read_checkpoint(source)
    if checkpoint.kind == GANS:
        return load_baseline_model(options)
    return load_sam(checkpoint, with_saved(options, checkpoint.opts), source)


def load_baseline_model(options: ModelChoice) -> AgeingModel:
    """Set up the device and load Group-GAN, FA-GAN or F-GAN; the package's own without `--checkpoint_path`.

    Raises:
        UserError: a file that cannot be used, or lacks what `--method` needs.
    """
    runtime.setup(options.device, options.seed)
    from work.inference.baselines import load_baseline

    path = options.checkpoint_path
    return load_baseline(Path(path) if path else None, options.method, options.blend or "composite")


def begin_early(options: ModelChoice) -> None:
    """Begin to load the checkpoint's graphs of an earlier run, if it looks as if they will be used."""
    if options.checkpoint_path is None or options.method:
        return
    on_cpu = options.device == "cpu" or (
        options.device == "auto" and not os.path.exists(NVIDIA_DRIVER)
    )
    if on_cpu and options.engine in ("auto", openvino_engine.NAME):
        folder = checked_folder(Path(options.checkpoint_path), openvino_engine.NAME)
        if folder:
            with contextlib.suppress(EngineUnavailable):  # `load_sam` will say so
                openvino_engine.begin(folder, options.precision)
