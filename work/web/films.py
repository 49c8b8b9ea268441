"""Films that the page makes: a photo's face through all ages, and a visitor's film with its people at another age."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

import numpy as np
from PIL import Image

from work.configs.video_options import VideoOptions
from work.errors import UserError
from work.faces.align import side_of
from work.faces.aligned import AlignedFace
from work.faces.paste import NewFace, paste
from work.inference.films import Film
from work.inference.model import AgeingModel
from work.inference.photos import Subject
from work.progress import Progress
from work.video.film import age_film
from work.video.parts import folder_of
from work.video.probe import probe
from work.web.problems import Problem, Say, learning

FPS = 15  # of films of a photo; half of the frames are computed, the way back repeats them
FILMED = 960  # px of the longer side of a whole photo in a film
DRAWN = 512  # px of a face in such a film
FOUND = 0.4  # share of the work on a visitor's film after which its people are known


def lifespan_film(
    model: AgeingModel, subject: Subject, seconds: float, whole: bool, out: Path, say: Say
) -> Path:
    """An MP4 of a face from 0 to 100 years and back; `whole` shows the whole photo."""
    stations = [0.0, 100.0]
    model, encoded = model.drawn_by(subject.encoded, stations, learning(say))
    place = place_in_photo(subject.face, model.additive, model.seamless) if whole else None
    film = Film(
        model.frames(encoded, stations),
        stations,
        count=round(seconds * FPS),
        fps=FPS,
        batch_size=1,
        caption=lambda age: f"{age:.0f}",
        place=place,
    )

    def follow(frames: Iterable[Image.Image], total: int) -> Iterator[Image.Image]:
        for done, frame in enumerate(frames):
            say(min(0.98, 2 * done / total), "filming")
            yield frame

    return film.write(out, follow)


def place_in_photo(
    face: AlignedFace, additive: bool = False, seamless: bool = False
) -> Callable[[Image.Image], Image.Image]:
    """A function that puts pictures of a face into its photo, made small and of even sides, as films need them;
    `additive` and `seamless` as in NewFace."""
    scale = min(1.0, FILMED / max(face.photo.size))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in face.photo.size)
    size = width, height
    photo = face.photo.resize(size, Image.Resampling.LANCZOS)
    quad = face.corners() * np.array(size) / np.array(face.photo.size)
    side = int(np.clip(side_of(quad), 64, DRAWN))

    def place(picture: Image.Image) -> Image.Image:
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
        return paste(photo, [NewFace(small, quad, additive, seamless)])

    return place


def recast_film(
    model: AgeingModel,
    options: VideoOptions,
    clip: Path,
    out: Path,
    limit: float,
    say: Say,
    stopped: threading.Event,
) -> Path:
    """A visitor's film with its people at another age.

    Args:
        model: an additive one.
        limit: seconds that the film may have.
        stopped: set by a visitor who does not want it any more.

    Raises:
        Problem: the age is one of a child, it is no film, is damaged, is too long, shows nobody, or was stopped.
    """
    years = float(options.targets[0].text)
    if years < model.youngest:
        raise Problem("too_young_for_film", youngest=model.youngest)
    say(0.0, "reading_film")
    try:
        length = probe(clip).seconds
    except UserError as error:
        raise Problem("unreadable_film", reason=_without(clip, error)) from error
    if length > limit:
        raise Problem("film_too_long", limit=limit, seconds=length)
    # What a browser records does not tell its length, and others may lie: no more than this is read.
    options = replace(options, seconds=limit)
    passes = iter([(0.0, FOUND, "finding"), (FOUND, 1.0, "recasting")])

    def follow(total: Optional[float] = None, unit: str = "", label: str = "") -> Progress[None]:
        return VisitorProgress(total, *next(passes), say, stopped)

    try:
        report = age_film(clip, out, options, model, follow)
    except Problem:
        raise
    except UserError as error:
        raise Problem("failed", reason=_without(clip, error)) from error
    finally:
        shutil.rmtree(folder_of(out), ignore_errors=True)  # nobody resumes here
    if not report["changed"]:
        raise Problem("nobody_in_film", smallest=options.smallest)
    return out


def _without(path: Path, error: UserError) -> str:
    """What an error says, without the private folder in which the file lies."""
    return str(error).removeprefix(f"{path}: ").replace(str(path), path.name)


class VisitorProgress(Progress[None]):
    """Progress that a visitor sees, and can stop.

    Args:
        low, high: the shares of all of the work between which this part lies.
        key: the text that says what is done.
    """

    def __init__(
        self,
        total: Optional[float],
        low: float,
        high: float,
        key: str,
        say: Say,
        stopped: threading.Event,
    ):
        super().__init__((), total, "frame", "", False, 60.0)
        self.low, self.high, self.key, self.say, self.stopped = low, high, key, say, stopped

    def update(self, n: float = 1) -> None:
        """See Progress. Raises Problem when the visitor has stopped it."""
        super().update(n)
        if self.stopped.is_set():
            raise Problem("stopped")
        share = min(1.0, self.done / self.total) if self.total else 0.5
        self.say(self.low + (self.high - self.low) * min(0.98, share), self.key)
