"""Films of a face through its ages, or from one person to another: their frames, and folders of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle
from PIL import Image, ImageDraw, ImageFont

from work.configs.film_options import FilmOptions
from work.datasets.folders import result_names, without_results
from work.datasets.images import ImageError, find_images
from work.datasets.transforms import to_picture
from work.datasets.video import CODECS, check_film_name, find_ffmpeg, play_back, write_film
from work.errors import UserError
from work.faces.aligned import AlignedFace, FaceReader
from work.files import check_folder, refuse_replacing
from work.inference.film_paths import interpolate, place_frames
from work.inference.load import load_model
from work.inference.model import AgeingModel, AgeRefused, Frames, invert_each
from work.progress import progress
from work.report import Report

Follow = Callable[[Iterable[Image.Image], int], Iterable[Image.Image]]


@dataclass
class Film:
    """One film, drawn frame by frame while it is written.

    Attributes:
        draw: positions [N] between the stations -> pictures [N, 3, S, S] in [-1, 1].
        stations: where the film goes, two or more: ages in years, or 0 and 1 from one face to another.
        count: frames of the whole film, the way back included.
        back: then back to the first station, so that the film can be looped.
        size: pixels of a face, an even number.
        batch_size: frames that are computed at once.
        left, right: pictures that stand beside the film.
        caption: the text for a position; None for none.
        place: makes the frame of a picture of the face (even sides); by default the picture at `size`, between `left`
            and `right`.
    """

    draw: Frames
    stations: Sequence[float]
    count: int = 200
    fps: int = 25
    easing: str = "smooth"
    back: bool = True
    size: int = 512
    batch_size: int = 4
    left: Sequence[Image.Image] = ()
    right: Sequence[Image.Image] = ()
    caption: Optional[Callable[[float], str]] = None
    place: Optional[Callable[[Image.Image], Image.Image]] = None

    def frames(self) -> Iterator[Image.Image]:
        """All frames of the way there, computed in batches."""
        count = self.count // 2 + 1 if self.back else self.count
        track = place_frames(self.stations, count, self.easing)
        for start in range(0, count, self.batch_size):
            part = track[start : start + self.batch_size]
            for position, image in zip(part, self.draw(part).numpy()):
                yield self._compose(to_picture(image, rounded=True), float(position))

    def _compose(self, picture: Image.Image, position: float) -> Image.Image:
        if self.place:
            picture = self.place(picture)
        else:
            picture = picture.resize((self.size, self.size), Image.Resampling.LANCZOS)
        if self.caption:
            write_caption(picture, self.caption(position))
        if self.place:
            return picture
        cells = [*self.left, picture, *self.right]
        frame = Image.new("RGB", (self.size * len(cells), self.size))
        for index, cell in enumerate(cells):
            frame.paste(cell, (index * self.size, 0))
        return frame

    def write(self, path: Path, follow: Optional[Follow] = None) -> Path:
        """Stream the film to `path`.

        Args:
            follow: wraps the frames and gets their number, to show progress; a bar by default.
        """
        frames: Iterable[Image.Image] = self.frames()
        total = self.count
        if self.back:
            frames, total = play_back(frames, path.parent), self.count // 2 * 2
        if follow is None:
            frames = progress(frames, total=total, unit="frame", label=path.name)
        else:
            frames = follow(frames, total)
        return write_film(frames, path, self.fps)


def make_film(
    draw: Frames,
    stations: Sequence[float],
    options: FilmOptions,
    left: Sequence[AlignedFace] = (),
    right: Sequence[AlignedFace] = (),
) -> Film:
    """A film as the options of a command line describe it; `left` and `right` are shown with `--side_by_side`."""
    film = Film(
        draw,
        stations,
        options.frames,
        options.fps,
        options.easing,
        options.back,
        options.film_size,
        options.batch_size,
    )
    if options.side_by_side:
        film.left, film.right = ([f.picture(film.size) for f in faces] for faces in (left, right))
    if options.caption:
        film.caption = lambda age: f"age {age:.0f}"
    return film


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


def film_ages(source: Path, target: Path, options: FilmOptions) -> int:
    """A film of a photo, or of every photo of a folder; the exit code.

    A photo's film goes to `target` itself if that has a suffix, else into it. What cannot be done is named
    and counted.
    """
    names = _name_films(source, target, options)
    first = next(iter(names.values()))
    check_film_name(first, options.fps)  # better now than after the work
    check_folder(first.parent)
    find_ffmpeg()
    model, read, report = load_model(options), FaceReader(options.no_crop), Report(noun="film")
    model.require_ageing(options.checkpoint_path)
    for path, name in names.items():
        try:
            face = read(path)
            with progress(total=1, unit="face", label=f"learning {path.name}", leave=False) as bar:
                encoded = model.encode([face], on_share=bar.reach)
            stations = find_stations(model, encoded, options)
            make_film(model.frames(encoded, stations), stations, options, [face]).write(name)
            report.done += 1
        except ImageError as error:
            report.failed.append(error)
        except AgeRefused as error:
            report.failed.append(ImageError(path, str(error)))
    return report.finish(target)


def _name_films(source: Path, target: Path, options: FilmOptions) -> dict[Path, Path]:
    """The film of each photo."""
    paths = find_images(source)
    if source.is_file() and target.suffix and not target.is_dir():
        refuse_replacing(paths, [target], "photos")
        return {source: check_name(target, options)}
    if source.is_dir() and target.suffix.lower() in CODECS:
        raise UserError(f"{source} is a folder: OUT is a folder for its films, not {target}")
    paths = without_results(paths, source, target)
    suffix = f".{options.format or 'mp4'}"
    names = result_names(paths, source, suffix)
    refuse_replacing(paths, [target / name for name in names], "photos")
    return {path: target / name for path, name in zip(paths, names)}


def find_stations(model: AgeingModel, encoded: Any, options: FilmOptions) -> list[float]:
    """The ages in years that the film of one encoded face goes through.

    Raises:
        AgeRefused: relative ages that come to one and the same.
    """
    found = [float(model.target_years(encoded, target)) for target in options.ages]
    if len(set(found)) < 2:
        raise AgeRefused(f"--target_age {options.target_age} is one age for this face")
    return found


def check_name(target: Path, options: FilmOptions) -> Path:
    """A single film's name. Raises UserError if its suffix and --format disagree, or cannot be written."""
    if options.format and target.suffix.lower() != f".{options.format}":
        raise UserError(f"--format {options.format}, but the film is called {target.name}")
    check_film_name(target, options.fps)
    return target


def film_between(sources: list[Path], target: Path, options: FilmOptions) -> int:
    """A film from one person to another; the exit code.

    Raises:
        UserError: a photo that cannot be used; flags that are for ageing films.
    """
    typed = {"target_age", "caption", "blend"} & options.typed
    if typed:
        raise UserError(
            f"--{min(typed)} is for ageing films; --interpolate knows no ages or photos"
        )
    target = check_name(target, options)
    refuse_replacing(sources, [target], "photos")
    check_folder(target.parent)
    find_ffmpeg()
    read = FaceReader(options.no_crop)
    faces = [read(path) for path in sources]
    draw = draw_between(load_model(options), faces)
    make_film(draw, [0.0, 1.0], options, faces[:1], faces[1:]).write(target)
    print(f"film written to {target}")
    return 0


def draw_between(model: AgeingModel, faces: Sequence[AlignedFace]) -> Frames:
    """From one inverted face (position 0) to another (1), by the generator's own pictures."""
    codes = paddle.concat(invert_each(model, faces))

    def draw(positions: np.ndarray) -> paddle.Tensor:
        return model.render(interpolate(codes, [0.0, 1.0], positions))

    return draw
