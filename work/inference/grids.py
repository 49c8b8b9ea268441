"""What the inference scripts make of a folder of aligned faces: aged faces, lifespan grids, mixed styles."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.options import TestOptions
from work.configs.target_age import Target
from work.datasets.degrade import lower_resolution
from work.datasets.folders import ImageFolder, Writer
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.aligned import ENCODED, AlignedFace, read_aligned
from work.faces.detect import FaceDetector
from work.files import atomic_write, check_folder
from work.inference.model import AgeingModel, invert_each
from work.inference.steps import LearnThenDraw
from work.models.psp import mix_styles
from work.progress import say
from work.report import Report

SMALLEST_ALIGNED = 60.0  # px; faces in aligned pictures of 256 px are about twice as wide
Cell = np.ndarray  # one square of a grid, [size, size, 3] uint8


@dataclass
class Batch:
    """Some faces, the names of their results, and what the model knows about them."""

    names: list[Path]
    faces: list[AlignedFace]
    encoded: Any


class GridRun:
    """One pass over a folder: batches come in, cells are made of them, pictures are written behind.

    Args:
        draws: how often each batch is drawn.
    """

    def __init__(self, model: AgeingModel, options: TestOptions, draws: int):
        check_folder(options.exp_dir)
        self.model, self.options = model, options
        self.report, self.draws = Report(), draws
        self.detector = _load_detector()
        self.size = 256 if options.resize_outputs else 1024  # px of a cell, as in the reference

    def batches(self) -> Iterator[Batch]:
        """All faces of the folder, encoded."""
        options = self.options
        folder = ImageFolder(
            options.data_path,
            partial(_read_prepared, factor=options.resize_factor),
            self.report,
            options.test_batch_size,
            options.test_workers,
            options.n_images,
        )
        for names, faces in folder.batches():
            shown = [self._shows_face(face) for face in faces]
            if options.skip_no_face:
                names = [name for name, found in zip(names, shown) if found]
                faces = [face for face, found in zip(faces, shown) if found]
            if not names:
                continue
            self.work = LearnThenDraw(folder.move, self.draws)
            yield Batch(names, faces, self.model.encode(faces, on_step=self.work.learn))
            self.report.done += len(names)

    def _shows_face(self, face: AlignedFace) -> bool:
        """Whether a face is found in an input, at its usual size; a line names those in which none is."""
        if self.detector is None or len(self.detector(face.picture(256))):
            return True
        hint = "left out" if self.options.skip_no_face else "aged all the same (--skip_no_face)"
        say(f"note: no face found in {face.path}: {hint}", to=sys.stderr)
        return False

    def start_rows(self, batch: Batch) -> list[list[Cell]]:
        """A row of cells per face that begins with the input."""
        return [[self.draw_input(face)] for face in batch.faces]

    def draw_input(self, face: AlignedFace) -> Cell:
        """The input as the network saw it (256 px), at the size of a cell."""
        return resize_cell(to_picture(face.values()), self.size)

    def draw_inputs(self, face: AlignedFace) -> list[Cell]:
        """The input, after the file itself if that has more pixels (`resize_factors`)."""
        shown = [self.draw_input(face)]
        if self.options.resize_factor and face.path:
            shown.insert(0, np.asarray(read_aligned(face.path).picture(self.size)))
        return shown

    def age(self, batch: Batch, years: paddle.Tensor) -> list[Cell]:
        """Each face at its target age [N]."""
        images = self.model.transform(batch.encoded, years, self.options.resize_outputs)
        return self._to_cells(images)

    def render(self, w_plus: paddle.Tensor) -> list[Cell]:
        """The generator's pictures of codes [N, n_styles, 512]."""
        return self._to_cells(self.model.render(w_plus, self.options.resize_outputs))

    def _to_cells(self, images: paddle.Tensor) -> list[Cell]:
        self.work.draw()
        return [resize_cell(to_picture(image), self.size) for image in images.numpy()]


def _load_detector() -> Optional[FaceDetector]:
    """A quick detector for faces that fill a picture of 256 px; None where its weights cannot be had."""
    try:
        return FaceDetector(smallest=SMALLEST_ALIGNED, turn=False)
    except UserError:
        return None


def _read_prepared(path: Path, factor: Optional[int] = None) -> AlignedFace:
    """An aligned face whose input for the encoders is computed in the reading thread.

    Args:
        factor: the input has this much less resolution than the file.
    """
    face = read_aligned(path)
    if factor:
        face = AlignedFace(lower_resolution(face.picture(ENCODED), factor), path=path)
    face.values()
    return face


def resize_cell(picture: Image.Image, size: int) -> Cell:
    """A picture as one cell of a grid."""
    return np.asarray(picture if picture.size == (size, size) else picture.resize((size, size)))


def join_row(cells: Sequence[Cell]) -> Image.Image:
    """Cells side by side."""
    return Image.fromarray(np.concatenate(list(cells), axis=1))


def age_folder(model: AgeingModel, options: TestOptions) -> int:
    """One folder per target age under `inference_results`, pairs under `inference_coupled`.

    With `resize_factors` both have a folder for the factor, and a pair is led by the file itself, as in pSp.
    Returns the exit code. `stats.txt` gets the mean and deviation of the seconds per batch and age.
    """
    run, out = GridRun(model, options, len(options.ages)), Path(options.exp_dir)
    factor = f"downsampling_{options.resize_factor}" if options.resize_factor else ""
    seconds: list[float] = []
    with Writer() as writer:
        for batch in run.batches():
            for age in options.ages:
                years = model.target_years(batch.encoded, age)
                start = time.perf_counter()
                results = run.age(batch, years)
                seconds.append(time.perf_counter() - start)
                for name, face, result in zip(batch.names, batch.faces, results):
                    picture = Image.fromarray(result)
                    writer.save(picture, out / "inference_results" / factor / age.text / name)
                    if options.couple_outputs:
                        pair = join_row([*run.draw_inputs(face), result])
                        writer.save(pair, out / "inference_coupled" / factor / age.text / name)
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


def _codes(model: AgeingModel, batch: Batch, age: Target) -> paddle.Tensor:
    return model.codes(batch.encoded, model.target_years(batch.encoded, age))


def _list_references(listing: str) -> list[Path]:
    """The images that a text file lists; relative names count from here, or from the file's folder."""
    path = Path(listing)
    if not path.is_file():
        raise UserError(
            f"--ref_images_paths_file {path}: no such file; it lists one reference image a line"
        )
    names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if not names:
        raise UserError(
            f"--ref_images_paths_file {path} is empty; it lists one reference image a line"
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
