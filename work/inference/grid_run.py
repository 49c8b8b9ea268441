"""One pass over a folder of aligned faces: read and encoded in batches, drawn as cells of a grid."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.options import TestOptions
from work.datasets.degrade import lower_resolution
from work.datasets.folders import ImageFolder
from work.datasets.images import ImageError
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.aligned import ENCODED, AlignedFace, read_aligned
from work.faces.detect import FaceDetector
from work.files import check_folder
from work.inference.model import AgeingModel, AgeRefused
from work.inference.shares import LearnThenDraw
from work.progress import say
from work.report import Report

SMALLEST_ALIGNED = 60.0  # px; faces in aligned pictures of 256 px are about twice as wide
BYTES_PER_PIXEL = 1 / 8  # of a smooth face as JPEG: the least that a run writes
Cell = np.ndarray  # one square of a grid, [size, size, 3] uint8


@dataclass
class EncodedBatch:
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
        self.model, self.options = model, options
        self.model.require_targets(options.ages)
        self.report, self.draws = Report(), draws
        self.size = 256 if options.resize_outputs else 1024  # px of a cell, as in the reference
        self.folder = ImageFolder(
            options.data_path,
            partial(_read_prepared, factor=options.resize_factor),
            self.report,
            options.test_batch_size,
            options.test_workers,
            options.n_images,
        )
        cells = draws * len(self.folder.paths)
        check_folder(options.exp_dir, int(cells * self.size**2 * BYTES_PER_PIXEL))
        self.detector = _load_detector()

    def batches(self) -> Iterator[EncodedBatch]:
        """All faces of the folder, encoded."""
        for names, faces in self.folder.batches():
            shown = [self._shows_face(face) for face in faces]
            if self.options.skip_no_face:
                names = [name for name, found in zip(names, shown) if found]
                faces = [face for face, found in zip(faces, shown) if found]
                self.report.faceless += len(shown) - len(faces)
            if not names:
                continue
            self.work = LearnThenDraw(self.folder.move, self.draws)
            batch = EncodedBatch(names, faces, self.model.encode(faces, on_share=self.work.learn))
            batch = self._without_refused(batch)
            if batch.names:
                yield batch
                self.report.done += len(batch.names)

    def _without_refused(self, batch: EncodedBatch) -> EncodedBatch:
        """The faces that the model draws at all ages that were asked for; the others are reported."""
        refused: dict[int, AgeRefused] = {}
        for target in self.options.ages:
            years = self.model.target_years(batch.encoded, target)
            refused.update(self.model.refusals(batch.encoded, years))
        if not refused:
            return batch
        self.report.failed += [
            ImageError(batch.faces[i].path or batch.names[i], str(refused[i])) for i in refused
        ]
        kept = [i for i in range(len(batch.names)) if i not in refused]
        names, faces = [batch.names[i] for i in kept], [batch.faces[i] for i in kept]
        return EncodedBatch(names, faces, self.model.encode(faces) if kept else [])

    def _shows_face(self, face: AlignedFace) -> bool:
        """Whether a face is found in an input, at its usual size; a line names those in which none is."""
        if self.detector is None or len(self.detector(face.picture(256))):
            return True
        hint = "left out" if self.options.skip_no_face else "aged all the same (--skip_no_face)"
        say(f"note: no face found in {face.path}: {hint}", to=sys.stderr)
        return False

    def start_rows(self, batch: EncodedBatch) -> list[list[Cell]]:
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

    def age(self, batch: EncodedBatch, years: paddle.Tensor) -> list[Cell]:
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
