"""From photos to films: the frames of a journey, their caption and neighbours, folders of films."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from work.configs.film_options import FilmOptions
from work.datasets.folders import Report, result_names
from work.datasets.images import ImageError, find_images
from work.datasets.video import CODECS, and_back, check_film_name, ffmpeg, write_film
from work.errors import UserError
from work.faces.aligned import AlignedFace, FaceReader
from work.inference.film_paths import BetweenFaces, Journey, encoded, positions, through_ages
from work.inference.load import load_model
from work.inference.model import SAM, AgeingModel, years_of


class Film:
    """The frames of one journey.

    Args:
        left, right: the pictures beside the film.
        caption: the text for a position; None for none.
    """

    def __init__(
        self,
        journey: Journey,
        options: FilmOptions,
        left: list[AlignedFace],
        right: list[AlignedFace],
        caption: Callable[[float], str] | None,
    ):
        self.journey, self.options, self.caption = journey, options, caption
        self.left, self.right = (
            [face.picture(options.film_size) for face in x] for x in (left, right)
        )

    def frames(self) -> Iterator[Image.Image]:
        """All frames of the way there, computed in batches."""
        options = self.options
        count = options.frames // 2 + 1 if options.back else options.frames
        track = positions(self.journey.stations, count, options.easing)
        for start in range(0, count, options.batch_size):
            part = track[start : start + options.batch_size]
            for position, image in zip(part, self.journey.images(part).numpy()):
                yield self._frame(image, float(position))

    def _frame(self, image: np.ndarray, position: float) -> Image.Image:
        size = self.options.film_size
        pixels = ((image.transpose(1, 2, 0) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS)
        if self.caption:
            write_caption(picture, self.caption(position))
        cells = [*self.left, picture, *self.right]
        frame = Image.new("RGB", (size * len(cells), size))
        for index, cell in enumerate(cells):
            frame.paste(cell, (index * size, 0))
        return frame

    def write(self, path: Path) -> None:
        """Stream the film to `path`, under a progress bar."""
        frames = self.frames()
        if self.options.back:
            frames = and_back(frames, path.parent)
        total = self.options.frames // 2 * 2 if self.options.back else self.options.frames
        bar = tqdm(frames, total=total, desc=path.name, unit="frame", disable=None)
        write_film(bar, path, self.options.fps)


def write_caption(picture: Image.Image, text: str) -> None:
    """Write white text with a dark rim into the lower left corner, in place."""
    import matplotlib

    height = max(9, picture.height // 14)
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    ImageDraw.Draw(picture).text(
        (height // 2, picture.height - height // 2),
        text,
        font=ImageFont.truetype(str(font), height),
        anchor="ls",
        fill="white",
        stroke_width=max(1, height // 12),
        stroke_fill="black",
    )


def age_films(source: Path, target: Path, options: FilmOptions) -> int:
    """A film of a photo, or of every photo of a folder; the exit code.

    A photo's film goes to `target` itself if that has a suffix, else into it. What cannot be done is named
    and counted.
    """
    paths = find_images(source)
    single = source.is_file() and bool(target.suffix)
    suffix = f".{options.format or 'mp4'}"
    names = [target / name.with_suffix(suffix) for name in result_names(paths, source)]
    if source.is_dir() and target.suffix.lower() in CODECS:
        raise UserError(f"{source} is a folder: OUT is a folder for its films, not {target}")
    names = [named(target, options)] if single else names
    check_film_name(names[0], options.fps)  # better now than after the work
    ffmpeg()
    model, read, report = load_model(options), FaceReader(options.no_crop), Report()
    if isinstance(model, SAM) and not model.knows_age:
        raise UserError(f"{options.checkpoint_path} is a pSp checkpoint, which knows no ages")
    for path, name in zip(paths, names):
        try:
            face = read(path)
            state = encoded(model, face)
            ages = stations(model, state, face.path, options)
        except ImageError as error:
            report.failed.append(error)
            continue
        left = [face] if options.side_by_side else []
        caption = (lambda age: f"age {age:.0f}") if options.caption else None
        journey = through_ages(model, state, ages)
        Film(journey, options, left, [], caption).write(name)
        report.done += 1
    return report.close(target)


def stations(model: AgeingModel, state: Any, path: Path, options: FilmOptions) -> list[float]:
    """The stations of the film of one encoded face.

    Raises:
        ImageError: relative ages that come to one and the same.
    """
    found = [float(years_of(model, state, target, 1)) for target in options.ages]
    if len(set(found)) < 2:
        raise ImageError(path, f"--target_age {options.target_age} is one age for this face")
    return found


def named(target: Path, options: FilmOptions) -> Path:
    """A single film's name; its suffix has to agree with --format."""
    if options.format and target.suffix.lower() != f".{options.format}":
        raise UserError(f"--format {options.format}, but the film is called {target.name}")
    check_film_name(target, options.fps)
    return target


def film_between(sources: list[Path], target: Path, options: FilmOptions) -> int:
    """A film from one person to another; the exit code.

    Raises:
        UserError: a photo that cannot be used; flags that are for ageing films.
    """
    typed = {"target_age", "caption", "blend"} & getattr(options, "typed", frozenset())
    if typed:
        raise UserError(
            f"--{min(typed)} is for ageing films; --interpolate knows no ages or photos"
        )
    target = named(target, options)
    ffmpeg()
    read = FaceReader(options.no_crop)
    faces = [read(path) for path in sources]
    left, right = (faces[:1], faces[1:]) if options.side_by_side else ([], [])
    Film(BetweenFaces(load_model(options), faces), options, left, right, None).write(target)
    print(f"film written to {target}")
    return 0
