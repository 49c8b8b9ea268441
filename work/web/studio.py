"""What the page computes: finding, ageing, pasting, strips, films, mixing. Knows nothing of the browser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Callable

import numpy as np
import paddle
from PIL import Image

from work.configs.web_options import WebOptions
from work.datasets.images import ImageError, TooManyPixels, read_image, save_image
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.aligned import AlignedFace
from work.faces.paste import paste
from work.inference.films import Film, write_caption
from work.inference.photos import PhotoAger, Subject
from work.models.psp import mix_styles
from work.web.sessions import Session

STRIP_AGES = range(0, 101, 10)
STRIP_CELL = 256  # px
FPS = 15  # of films; half of the frames are computed, the way back repeats them
PREVIEW = (
    1600  # px of the longer side: what the browser shows of a photo; the download has all of it
)
# Where the layers for "fine" and "middle" begin, as shares of all of them: 8 and 4 of SAM's 18.
FIRST_LAYER = {"fine": 8 / 18, "middle": 4 / 18}
Say = Callable[[float, str], None]  # progress 0..1 and the key of a text


class Problem(UserError):
    """Something to tell the visitor: the key of a text and its values."""

    def __init__(self, key: str, **values: object):
        super().__init__(key)
        self.key, self.values = key, values


class Studio:
    """The model and what is made with it, for one visitor at a time."""

    def __init__(self, options: WebOptions):
        self.options = options
        self.ager = PhotoAger(options.photo_options())

    def open_photo(self, session: Session, path: Path, say: Say) -> int:
        """Read a photo and find its faces; the largest one is chosen. The number of faces.

        Raises:
            Problem: unreadable, too large, or without a face.
        """
        session.forget_photo()
        say(0.0, "reading")
        photo = self._read(path)
        say(0.05, "looking")
        session.faces = self._find(photo)
        session.photo, session.name = photo, path.stem[:60]
        session.which = session.faces.index(max(session.faces, key=_side))
        return len(session.faces)

    def _find(self, photo: Image.Image) -> list[AlignedFace]:
        faces = self.ager.find(photo)
        if not faces:
            raise Problem("no_face", smallest=self.options.smallest)
        return faces

    def _read(self, path: Path) -> Image.Image:
        limit = self.options.max_megapixels
        try:
            return read_image(path, round(limit * 1e6))
        except TooManyPixels as error:
            raise Problem("too_many_pixels", limit=limit) from error
        except ImageError as error:
            raise Problem("unreadable", reason=error.reason) from error

    def subject(self, session: Session, say: Say) -> Subject:
        """The chosen face and what the model knows about it, learned the first time only.

        Raises:
            Problem: there is no photo.
        """
        if session.photo is None:
            raise Problem("need_photo")
        if session.which not in session.subjects:
            say(0.1, "learning")
            face = session.faces[session.which]
            session.subjects[session.which] = self.ager.learn(face)
        return session.subjects[session.which]

    def age(self, session: Session, years: float, say: Say) -> dict[str, Path]:
        """The face and the photo at an age: files `face`, `pasted`, and `preview`, which is `pasted` or smaller."""
        subject = self.subject(session, say)
        say(0.8, "ageing")
        new = self.ager.age(subject, years)
        say(0.9, "pasting")
        photo = paste(subject.face.photo, [new])
        name = f"{session.name}_{years:g}"
        files = {
            "face": save_image(new.image, session.result(f"{name}_face.jpg")),
            "pasted": save_image(photo, session.result(f"{name}.jpg")),
        }
        files["preview"] = files["pasted"]
        if max(photo.size) > PREVIEW:
            photo.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
            files["preview"] = save_image(photo, session.result(f"{name}_preview.jpg"))
        return files

    def strip(self, session: Session, say: Say) -> tuple[list[tuple[Path, str]], Path]:
        """The face at ages 0, 10, ..., 100: files with their ages, and one file with all in a row."""
        subject, cells = self.subject(session, say), []
        for age in STRIP_AGES:
            say(0.3 + 0.007 * age, "ageing")
            image = self.ager.age(subject, age).image
            cells.append(image.resize((STRIP_CELL, STRIP_CELL), Image.Resampling.LANCZOS))
        files = [save_image(cell, session.result("face.jpg")) for cell in cells]
        for age, cell in zip(STRIP_AGES, cells):
            write_caption(cell, str(age))
        row = Image.fromarray(np.concatenate([np.asarray(cell) for cell in cells], axis=1))
        whole = save_image(row, session.result(f"{session.name}_0_to_100.jpg"))
        return [(path, str(age)) for path, age in zip(files, STRIP_AGES)], whole

    def film(self, session: Session, seconds: float, say: Say) -> Path:
        """An MP4 of the face from 0 to 100 years and back."""
        subject, stations = self.subject(session, say), [0.0, 100.0]
        film = Film(
            self.ager.model.frames(subject.encoded, stations),
            stations,
            count=round(seconds * FPS),
            fps=FPS,
            batch_size=1,
            caption=lambda age: f"{age:.0f}",
        )

        def follow(frames: Iterable[Image.Image], total: int) -> Iterator[Image.Image]:
            for done, frame in enumerate(frames):
                say(min(0.9, 0.2 + 1.4 * done / total), "filming")
                yield frame

        return film.write(session.result(f"{session.name}_0_to_100.mp4"), follow)

    def mix(
        self, session: Session, reference: Path, years: float, what: str, strength: float, say: Say
    ) -> Path:
        """The face at an age with layers of a reference's code, drawn by the generator.

        Args:
            what: a key of FIRST_LAYER.
            strength: 0 to 1, how much of the reference's code replaces the face's own.

        Raises:
            Problem: the reference is unreadable, too large or without a face.
        """
        if session.photo is None:
            raise Problem("need_photo")
        if session.reference is None or session.reference[0] != reference:
            say(0.05, "looking")
            session.reference = reference, self._style(reference, say)
        subject = self.subject(session, say)
        say(0.9, "ageing")
        model = self.ager.model
        codes = model.codes(subject.encoded, paddle.full([1], float(years)))
        layers = range(round(model.n_styles * FIRST_LAYER[what]), model.n_styles)
        mixed = model.render(mix_styles(codes, list(layers), session.reference[1], strength))
        picture = to_picture(mixed[0].numpy())
        return save_image(picture, session.result(f"{session.name}_{years:g}_mixed.jpg"))

    def _style(self, path: Path, say: Say) -> paddle.Tensor:
        largest = max(self._find(self._read(path)), key=_side)
        say(0.1, "learning")
        return self.ager.model.invert(largest.tensor())


def _side(face: AlignedFace) -> float:
    top_left, _, _, top_right = face.corners()
    return float(np.hypot(*(top_right - top_left)))
