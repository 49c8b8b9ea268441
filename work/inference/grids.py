"""What the inference scripts make of a folder of aligned faces: aged faces, lifespan grids, mixed styles."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.options import TestOptions
from work.configs.target_age import Target
from work.datasets.folders import Writer
from work.datasets.images import READABLE
from work.errors import UserError
from work.faces.aligned import read_aligned
from work.files import atomic_write
from work.inference.grid_run import EncodedBatch, GridRun, join_row
from work.inference.model import AgeingModel, invert_each
from work.models.psp import mix_styles
from work.progress import say

SAMPLED = 100  # every so many faces a pair is saved that nobody asked for, as in the official code


def age_folder(model: AgeingModel, options: TestOptions) -> int:
    """One folder per target age under `inference_results`, pairs under `inference_coupled`.

    As in the official scripts, every hundredth face gets a pair even without `couple_outputs`, and a pSp without
    target ages writes one picture per face, without a folder for the age. With `resize_factors` both get a folder for
    the factor, and a pair starts with the original file. `stats.txt` gets the mean and standard deviation of the
    seconds per batch and age.

    Returns:
        The exit code.
    """
    folders = {Path(age.text): age for age in options.ages}
    if not model.knows_age and "target_age" not in options.typed:
        folders = {Path(): options.ages[0]}
    run, out = GridRun(model, options, len(folders)), Path(options.exp_dir)
    factor = f"downsampling_{options.resize_factor}" if options.resize_factor else ""
    results_to, pairs_to = (out / f"inference_{name}" / factor for name in ("results", "coupled"))
    seconds: list[float] = []
    with Writer() as writer:
        for batch in run.batches():
            for folder, age in folders.items():
                years = model.target_years(batch.encoded, age)
                start = time.perf_counter()
                results = run.age(batch, years)
                seconds.append(time.perf_counter() - start)
                for i, (name, face) in enumerate(zip(batch.names, batch.faces)):
                    writer.save(Image.fromarray(results[i]), results_to / folder / name)
                    if options.couple_outputs or (run.report.done + i) % SAMPLED == 0:
                        pair = join_row([*run.draw_inputs(face), results[i]])
                        writer.save(pair, pairs_to / folder / name)
    if seconds:
        with atomic_write(out / "stats.txt") as path:
            path.write_text(f"Runtime {np.mean(seconds):.4f}+-{np.std(seconds):.4f}\n")
    return run.report.finish(out / "inference_results")


def make_lifespan_grids(model: AgeingModel, options: TestOptions) -> int:
    """One row per face under `inference_side_by_side`: the input, then one face per target age."""
    run = GridRun(model, options, len(options.ages))
    out = Path(options.exp_dir) / "inference_side_by_side"
    with Writer() as writer:
        for batch in run.batches():
            rows = run.start_rows(batch)
            for age in options.ages:
                results = run.age(batch, model.target_years(batch.encoded, age))
                for row, result in zip(rows, results):
                    row.append(result)
            for name, row in zip(batch.names, rows):
                writer.save(join_row(row), out / name)
    return run.report.finish(out)


def make_reference_grids(model: AgeingModel, options: TestOptions) -> int:
    """Aged faces in the style of reference images: `reference_guided_inference/AGE/NAME`.

    The upper row shows the references, the lower one the input and a result below each reference.
    """
    references = [read_aligned(path) for path in _list_references(options.ref_images_paths_file)]
    run = GridRun(model, options, len(options.ages) * len(references))
    out = Path(options.exp_dir) / "reference_guided_inference"
    _check_mask(model, options.mask)
    styles = invert_each(model, references)
    shown = [run.draw_input(face) for face in references]
    with Writer() as writer:
        for batch in run.batches():
            for age in options.ages:
                w_plus = _codes(model, batch, age)
                rows = run.start_rows(batch)
                for style in styles:
                    mixed = mix_styles(w_plus, options.mask, style, options.mix_alpha)
                    for row, result in zip(rows, run.render(mixed)):
                        row.append(result)
                for name, row in zip(batch.names, rows):
                    upper = np.concatenate([np.zeros_like(row[0]), *shown], axis=1)
                    grid = np.concatenate([upper, np.concatenate(row, axis=1)], axis=0)
                    writer.save(Image.fromarray(grid), out / age.text / name)
    return run.report.finish(out)


def _codes(model: AgeingModel, batch: EncodedBatch, age: Target) -> paddle.Tensor:
    return model.codes(batch.encoded, model.target_years(batch.encoded, age))


def _list_references(listing: str) -> list[Path]:
    """The images that a text file lists; relative names count from here, or from the file's folder."""
    path = Path(listing)
    if not path.is_file():
        raise UserError(
            f"--ref_images_paths_file {path}: no such file; it lists one reference image a line"
        )
    names = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if Path(line.strip()).suffix.lower() in READABLE:
            names.append(line.strip())
        elif line.strip():
            say(f"note: {path} lists what is no image, left out: {line.strip()}", to=sys.stderr)
    if not names:
        raise UserError(
            f"--ref_images_paths_file {path} lists no image; each line is the path of a reference"
        )
    return [Path(name) if Path(name).exists() else path.parent / name for name in names]


def make_mixing_grids(model: AgeingModel, options: TestOptions) -> int:
    """The aged face, then the same with random styles injected: `style_mixing/AGE/NAME`."""
    if len(options.ages) != 1:
        raise UserError(
            "style mixing makes one target age at a time; type one, e.g. --target_age 60"
        )
    if options.mask is None:
        raise UserError(
            "style mixing needs the layers to inject into, e.g. --latent_mask 8,9,10,11,12"
        )
    _check_mask(model, options.mask)
    age = options.ages[0]
    run = GridRun(model, options, options.n_outputs_to_generate)
    out = Path(options.exp_dir) / "style_mixing" / age.text
    with Writer() as writer:
        for batch in run.batches():
            w_plus = _codes(model, batch, age)
            rows = run.start_rows(batch)
            for _ in range(options.n_outputs_to_generate):
                styles = model.random_codes(len(batch.names))
                mixed = mix_styles(w_plus, options.mask, styles, options.mix_alpha)
                for row, result in zip(rows, run.render(mixed)):
                    row.append(result)
            for name, row in zip(batch.names, rows):
                writer.save(join_row(row), out / name)
    return run.report.finish(out)


def _check_mask(model: AgeingModel, mask: Optional[list[int]]) -> None:
    outside = [layer for layer in mask or [] if layer >= model.n_styles]
    if outside:
        raise UserError(
            f"--latent_mask: the model has layers 0 to {model.n_styles - 1}, not {outside}"
        )
