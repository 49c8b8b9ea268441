"""What the page computes: finding, ageing, pasting, strips, films, mixing. Knows nothing of the browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from work.configs.options import STEPS
from work.configs.web_options import WebOptions
from work.datasets.images import ImageError, TooManyPixels, read_image, save_image
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.align import side_of
from work.faces.aligned import AlignedFace
from work.faces.paste import paste
from work.inference.films import write_caption
from work.inference.photos import PhotoAger, Subject
from work.inference.shares import within
from work.models.psp import mix_styles
from work.web.films import lifespan_film, recast_film
from work.web.problems import Problem, Say, learning
from work.web.sessions import Session

STRIP_AGES = range(0, 101, 10)
STRIP_CELL = 256  # px
# Px of the longer side: what the browser shows of a photo; the download has all of it.
PREVIEW = 1600
DRAWN = 512  # px of an aligned face beside its aged one
# Where the layers for "fine" and "middle" begin, as shares of all of them: 8 and 4 of SAM's 18.
FIRST_LAYER = {"fine": 8 / 18, "middle": 4 / 18}
DRAFT = "draft"


class Studio:
    """The model and what is made with it, for one visitor at a time."""

    def __init__(self, options: WebOptions):
        self.options = options
        self.ager = PhotoAger(options.photo_options())
        if self.ager.model.youngest > 0:
            raise UserError(
                f"{options.checkpoint_path}: the page shows children too, and this model draws none"
            )
        self.steps = {**STEPS, options.quality: options.steps}  # --refine may differ

    @property
    def refines(self) -> bool:
        """Whether the model knows more than one quality."""
        return self.ager.model.refines

    @property
    def recasts(self) -> bool:
        """Whether the model can age the people in a film."""
        return self.ager.model.per_frame.additive

    def open_photo(self, session: Session, path: Path, say: Say) -> None:
        """Read a photo and find its faces; the largest one is chosen.

        Raises:
            Problem: unreadable, too large, or without a face.
        """
        session.rest()
        say(0.0, "reading")
        photo = self._read(path)
        say(0.05, "looking")
        session.faces = self._find(photo)
        session.photo, session.name = photo, path.stem[:60]
        session.which = max(
            range(len(session.faces)), key=lambda number: side_of(session.faces[number].corners())
        )

    def _find(self, photo: Image.Image) -> list[AlignedFace]:
        faces = self.ager.find(photo)
        if not faces:
            raise Problem("no_face", smallest=self.options.smallest)
        return faces

    def _read(self, path: Path) -> Image.Image:
        limit, largest = self.options.max_megapixels, self.options.max_upload_mb
        if path.stat().st_size > largest << 20:
            raise Problem("photo_too_large", limit=largest)
        try:
            return read_image(path, round(limit * 1e6))
        except TooManyPixels as error:
            raise Problem("too_many_pixels", limit=limit) from error
        except ImageError as error:
            raise Problem("unreadable", reason=error.reason) from error

    def knows(self, session: Session, quality: str) -> bool:
        """Whether the chosen face has been learned at a quality."""
        return (session.which, self.own_quality(quality)) in session.subjects

    def own_quality(self, quality: str) -> str:
        """The quality that the model makes of a wanted one: some models know only one."""
        return quality if self.refines else DRAFT

    def improves(self, subject: Subject, years: float) -> bool:
        """Whether a picture at this age gets better where the face is learned for longer."""
        return self.ager.model.drawn_by(subject.encoded, [years])[0].refines

    def subject(self, session: Session, quality: str, say: Say) -> Subject:
        """The chosen face and what the model knows about it, learned the first time only.

        Raises:
            Problem: there is no photo.
        """
        self.recall(session, say)
        key = session.which, self.own_quality(quality)
        if key not in session.subjects:
            face = session.faces[session.which]
            what = self._word(quality)
            say(0.1, what)
            told = learning(say, what)
            session.subjects[key] = self.ager.learn(face, self.steps[quality], told)
        return session.subjects[key]

    def _word(self, quality: str) -> str:
        """What is said while a face is learned."""
        return "drafting" if quality == DRAFT and self.refines else "learning"

    def recall(self, session: Session, say: Say) -> None:
        """Read the photo again if its memory was needed for others. Raises Problem if there is none."""
        if session.photo is None:
            which, path = session.which, session.uploads.get("photo")
            if path is None:
                raise Problem("need_photo")
            self.open_photo(session, path, say)
            session.which = min(which, len(session.faces) - 1)

    def age(
        self, session: Session, quality: str, years: float, say: Say
    ) -> tuple[dict[str, Path], Subject]:
        """The face and the photo at an age: files `face`, `pasted` and `preview`, which is `pasted` or smaller.

        `face_before` and `preview_before` are the same as they were.
        """
        subject = self.subject(session, quality, say)
        new = self.ager.age(subject, years, learning(say, self._word(quality)))
        say(0.9, "pasting")
        photo = paste(subject.face.photo, [new])
        suffix = ".png" if "rgba" in photo.info else ".jpg"  # JPEG has no transparency
        name, before = f"{session.name}_{years:g}", subject.face.picture(DRAWN)
        files = {
            "face": save_image(new.image, session.result("age", f"{name}_face.jpg")),
            "face_before": save_image(before, session.result("age", "face.jpg")),
            "pasted": save_image(photo, session.result("age", f"{name}{suffix}")),
        }
        for key, whole in (("preview", photo), ("preview_before", subject.face.photo.copy())):
            whole.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
            files[key] = save_image(whole, session.result("age", f"{name}_preview.jpg"))
        return files, subject

    def strip(
        self, session: Session, quality: str, say: Say
    ) -> tuple[list[tuple[Path, str]], Path]:
        """The face at ages 0, 10, ..., 100: files with their ages, and one file with all in a row."""
        subject, cells = self.subject(session, quality, say), []
        for age in STRIP_AGES:
            image = self.ager.age(subject, age, learning(say)).image
            say(0.85 + 0.0014 * age, "ageing")
            cells.append(image.resize((STRIP_CELL, STRIP_CELL), Image.Resampling.LANCZOS))
        files = [save_image(cell, session.result("strip", "face.jpg")) for cell in cells]
        for age, cell in zip(STRIP_AGES, cells):
            write_caption(cell, str(age))
        row = Image.fromarray(np.concatenate([np.asarray(cell) for cell in cells], axis=1))
        whole = save_image(row, session.result("strip", f"{session.name}_0_to_100.jpg"))
        return [(path, str(age)) for path, age in zip(files, STRIP_AGES)], whole

    def film(self, session: Session, quality: str, seconds: float, what: str, say: Say) -> Path:
        """An MP4 of the face from 0 to 100 years and back; `what` is "face", or "whole" for the whole photo."""
        subject = self.subject(session, quality, say)
        out = session.result("film", f"{session.name}_0_to_100.mp4")
        return lifespan_film(self.ager.model, subject, seconds, what == "whole", out, say)

    def recast(self, session: Session, clip: Path, years: float, say: Say) -> Path:
        """A visitor's film with its people at another age.

        Raises:
            Problem: it is no film, is too long, shows nobody, or the visitor stopped it.
        """
        out = session.result("recast", f"{clip.stem[:60]}_{years:g}.mp4")
        options = self.options.video_options(f"{years:g}")
        limit, model = self.options.max_film_seconds, self.ager.model.per_frame
        return recast_film(model, options, clip, out, limit, say, session.stopped)

    def mix(
        self,
        session: Session,
        quality: str,
        reference: Path,
        years: float,
        what: str,
        strength: float,
        say: Say,
    ) -> tuple[Path, Path]:
        """The face at an age, drawn by the generator: as it is, and with layers of a reference's code.

        Args:
            what: a key of FIRST_LAYER.
            strength: 0 to 1, how much of the reference's code replaces the face's own.

        Raises:
            Problem: the reference is unreadable, too large or without a face.
        """
        self.recall(session, say)
        key = reference, self.own_quality(quality)
        if session.reference is None or session.reference[0] != key:
            say(0.05, "looking")
            session.reference = key, self._style(reference, quality, say)
        subject = self.subject(session, quality, say)
        say(0.9, "ageing")
        model = self.ager.model
        codes = model.codes(subject.encoded, paddle.full([1], float(years)))
        layers = range(round(model.n_styles * FIRST_LAYER[what]), model.n_styles)
        mixed = mix_styles(codes, list(layers), session.reference[1], strength)
        name = f"{session.name}_{years:g}"
        plain, styled = (
            save_image(
                to_picture(model.render(code)[0].numpy()),
                session.result("mix", f"{name}_{kind}.jpg"),
            )
            for code, kind in ((codes, "plain"), (mixed, "mixed"))
        )
        return plain, styled

    def _style(self, path: Path, quality: str, say: Say) -> paddle.Tensor:
        largest = max(self._find(self._read(path)), key=lambda face: side_of(face.corners()))
        told = within(lambda share: say(share, "learning"), 0.1, 0.5)
        return self.ager.model.invert(largest.tensor(), self.steps[quality], told)
