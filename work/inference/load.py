"""From options to an ageing model on its device.

Importing this does not import Paddle, which takes a second: `load_model` uses that second.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from work import runtime
from work.configs.kinds import GANS, REAGER, REAGING
from work.configs.options import ModelChoice
from work.configs.saved_options import with_saved
from work.errors import UserError
from work.inference.engines import openvino_engine
from work.inference.engines.cache import checked_folder
from work.inference.engines.engine import EngineUnavailable
from work.progress import loading

if TYPE_CHECKING:
    from work.inference.direct import DirectModel
    from work.inference.model import AgeingModel

NVIDIA_DRIVER = "/proc/driver/nvidia"


@loading()
def load_model(options: ModelChoice) -> AgeingModel:
    """Set up the device and the seed, and load what `--checkpoint_path` names or the package's own models.

    Raises:
        UserError: a checkpoint that cannot be used, or weights that cannot be fetched.
    """
    begin_early(options)
    runtime.setup(options.device, options.seed)
    return _checked(_load(options), options)


def _checked(model: AgeingModel, options: ModelChoice) -> AgeingModel:
    if options.strength != 1 and not model.scalable:
        raise UserError(f"--strength {options.strength:g} is for the direct model (--model direct)")
    return model


def _load(options: ModelChoice) -> AgeingModel:
    source = Path(options.checkpoint_path) if options.checkpoint_path else None
    if options.model == "direct" or (source and (source / REAGER).is_file()):
        return _load_direct(source, options)
    folder = source is not None and source.is_dir()
    if options.method or folder:
        return _load_baseline(options)
    if source is None:
        return _load_own(options)
    from work.inference.sam import load_sam
    from work.loading import open_model

    checkpoint = open_model(source)
    if checkpoint.kind == GANS:
        return _load_baseline(options)
    if checkpoint.kind == REAGING:
        return _load_direct(source, options)
    return load_sam(checkpoint, with_saved(options, checkpoint.opts), source)


def _load_own(options: ModelChoice) -> AgeingModel:
    """The package's own model: embedded, or both if there are weights for the direct one."""
    from work.inference.direct import SHIPPED
    from work.inference.embedded.model import load_embedded

    blend = options.blend or "composite"
    embedded = partial(load_embedded, options.steps, blend, options.engine, options.precision)
    if options.model == "embedded" or blend != "composite" or not SHIPPED.exists():
        return embedded()
    from work.inference.auto import AutoModel

    return AutoModel(_load_direct(None, options), embedded)


def _load_direct(source: Optional[Path], options: ModelChoice) -> DirectModel:
    from work.inference.direct import load_direct

    return load_direct(source, options.strength, options.engine, options.precision)


@loading()
def load_baseline_model(options: ModelChoice) -> AgeingModel:
    """Set up the device and load Group-GAN, FA-GAN or F-GAN; the package's own without `--checkpoint_path`.

    Raises:
        UserError: a file that cannot be used, or lacks what `--method` needs.
    """
    runtime.setup(options.device, options.seed)
    return _checked(_load_baseline(options), options)


def _load_baseline(options: ModelChoice) -> AgeingModel:
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
