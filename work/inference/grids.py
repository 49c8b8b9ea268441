"""What the inference scripts do with a folder of aligned faces."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Sequence

import numpy as np
import paddle
from PIL import Image

from work.configs.options import TestOptions
from work.datasets.folders import Face, Faces, Report, Writer
from work.datasets.images import read_image
from work.datasets.transforms import to_input, to_picture
from work.errors import UserError
from work.files import atomic_write
from work.inference.model import years_of
from work.models.psp import mix_styles


def cell_size(options: TestOptions) -> int:
    """Pixels of one face in the results, as in the reference."""
    return 256 if options.resize_outputs else 1024


def cell(picture: Image.Image, size: int) -> np.ndarray:
    """A picture as one square cell of a grid, [size, size, 3]."""
    return np.asarray(picture if picture.size == (size, size) else picture.resize((size, size)))


def pictures(model, w_plus: paddle.Tensor, resize: bool) -> list[Image.Image]:
    """Render codes and bring the images to the host."""
    return to_pictures(model.render(w_plus, resize))


def row(cells: Sequence[np.ndarray]) -> Image.Image:
    return Image.fromarray(np.concatenate(list(cells), axis=1))


def encode(model, batch: list[Face], inputs: paddle.Tensor):
    """What the model knows about the faces of a batch; some models also use their full-size pictures."""
    if not model.uses_photos:
        return model.encode(inputs)
    size = model.output_size
    return model.encode(inputs, [paddle.to_tensor(to_input(f.picture, size)[None]) for f in batch])


def to_pictures(images: paddle.Tensor) -> list[Image.Image]:
    """Images [N, 3, S, S] on the device to pictures."""
    return [to_picture(image) for image in images.numpy()]


def _faces(options: TestOptions, report: Report) -> Faces:
    return Faces(
        options.data_path, options.test_batch_size, options.test_workers, report, options.n_images
    )


def _input_cell(face: Face, size: int) -> np.ndarray:
    """The input as the network saw it (256 px), at the size of a cell."""
    return cell(to_picture(face.values), size)


def age_folder(model, options: TestOptions) -> int:
    """One folder per target age under `inference_results`, pairs under `inference_coupled`.

    Returns the exit code. `stats.txt` gets the mean and deviation of the seconds per batch and age.
    """
    report, seconds, size = Report(), [], cell_size(options)
    out = Path(options.exp_dir)
    faces = _faces(options, report)
    with Writer() as writer:
        for batch, inputs in faces.batches():
            state = encode(model, batch, inputs)
            for age in options.ages:
                years = years_of(model, state, age, len(batch))
                start = time.perf_counter()
                images, _ = model.transform(state, years, options.resize_outputs)
                results = to_pictures(images)
                seconds.append(time.perf_counter() - start)
                for face, result in zip(batch, results):
                    result = cell(result, size)
                    writer.save(
                        Image.fromarray(result), out / "inference_results" / age.text / face.name
                    )
                    if options.couple_outputs:
                        pair = row([_input_cell(face, size), result])
                        writer.save(pair, out / "inference_coupled" / age.text / face.name)
            report.done += len(batch)
    if seconds:
        with atomic_write(out / "stats.txt") as path:
            path.write_text(f"Runtime {np.mean(seconds):.4f}+-{np.std(seconds):.4f}\n")
    return report.close(out / "inference_results")


def lifespan_grids(model, options: TestOptions) -> int:
    """One row per face under `inference_side_by_side`: the input, then one face per target age."""
    report, size = Report(), cell_size(options)
    out = Path(options.exp_dir) / "inference_side_by_side"
    faces = _faces(options, report)
    with Writer() as writer:
        for batch, inputs in faces.batches():
            state = encode(model, batch, inputs)
            rows = [[_input_cell(face, size)] for face in batch]
            for age in options.ages:
                years = years_of(model, state, age, len(batch))
                images, _ = model.transform(state, years, options.resize_outputs)
                for cells, result in zip(rows, to_pictures(images)):
                    cells.append(cell(result, size))
            for face, cells in zip(batch, rows):
                writer.save(row(cells), out / face.name)
            report.done += len(batch)
    return report.close(out)


def reference_grids(model, options: TestOptions) -> int:
    """Aged faces in the style of reference images: `reference_guided_inference/AGE/NAME`.

    The upper row shows the references, the lower one the input and a result below each reference.
    """
    report, size = Report(), cell_size(options)
    out = Path(options.exp_dir) / "reference_guided_inference"
    styles, shown = _references(model, options.ref_images_paths_file, size)
    faces, mask = _faces(options, report), options.mask
    _check_mask(model, mask)
    with Writer() as writer:
        for batch, inputs in faces.batches():
            state = encode(model, batch, inputs)
            for age in options.ages:
                w_plus = model.codes(state, years_of(model, state, age, len(batch)))
                lower = [[_input_cell(face, size)] for face in batch]
                for style in styles:
                    mixed = mix_styles(w_plus, mask, style, options.mix_alpha)
                    for cells, result in zip(lower, pictures(model, mixed, options.resize_outputs)):
                        cells.append(cell(result, size))
                for face, cells in zip(batch, lower):
                    upper = np.concatenate([np.zeros_like(cells[0]), *shown], axis=1)
                    grid = np.concatenate([upper, np.concatenate(cells, axis=1)], axis=0)
                    writer.save(Image.fromarray(grid), out / age.text / face.name)
            report.done += len(batch)
    return report.close(out)


def _references(model, listing: str, size: int) -> tuple[list[paddle.Tensor], list[np.ndarray]]:
    """The codes [1, n_styles, 512] and the cells of the images that a text file lists."""
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
    styles, shown = [], []
    for name in names:
        reference = Path(name) if Path(name).exists() else path.parent / name
        values = to_input(read_image(reference))
        styles.append(model.invert(paddle.to_tensor(values[None])))
        shown.append(cell(to_picture(values), size))
    return styles, shown


def random_style_grids(model, options: TestOptions) -> int:
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
    report, size, age = Report(), cell_size(options), options.ages[0]
    out = Path(options.exp_dir) / "style_mixing" / age.text
    faces = _faces(options, report)
    with Writer() as writer:
        for batch, inputs in faces.batches():
            state = encode(model, batch, inputs)
            w_plus = model.codes(state, years_of(model, state, age, len(batch)))
            rows = [[_input_cell(face, size)] for face in batch]
            for _ in range(options.n_outputs_to_generate):
                mixed = mix_styles(
                    w_plus, options.mask, model.random_codes(len(batch)), options.mix_alpha
                )
                for cells, result in zip(rows, pictures(model, mixed, options.resize_outputs)):
                    cells.append(cell(result, size))
            for face, cells in zip(batch, rows):
                writer.save(row(cells), out / face.name)
            report.done += len(batch)
    return report.close(out)


def _check_mask(model, mask: list[int] | None) -> None:
    outside = [layer for layer in mask or [] if layer >= model.n_styles]
    if outside:
        raise UserError(
            f"--latent_mask: the model has layers 0 to {model.n_styles - 1}, not {outside}"
        )
