"""The package in a few calls, for notebooks and programs: `from work import Ager`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from work.inference.model import AgeingModel
    from work.inference.photos import PhotoAger, Subject

    Photo = Union[str, Path, Image.Image, np.ndarray]
Age = Union[int, float, str]

REMEMBERED = 4  # photos whose faces stay in memory
# Options of age_photo.py alone
PHOTO_FILES = {"paths", "target_age", "per_face", "skip_existing", "jpeg_quality"}


class Ager:
    """Changes the age of faces in photos.

        ager = Ager()                                   # the package's own models
        ager = Ager("sam_ffhq_aging.pdparams")          # SAM
        save_image(ager.photo("me.jpg", 70), "me_70.jpg")

    Photos are paths, PIL images, or RGB arrays [H, W, 3] uint8. Ages are years from 0 to 100, or texts such as "+20"
    and "-15", which are relative to the estimated age. `save_image` writes a picture with its photo's colour profile,
    EXIF and transparency. Networks are loaded on first use. Each face is encoded once, so further ages of the same
    photo take a fraction of the time.

    Args:
        checkpoint_path: weights of SAM, or of another model that knows ages; the package's own models by default.
        options: how the model is chosen and runs, as typed after `age_photo.py`, e.g. device="gpu", quality="draft",
            blend="generator"; and which faces are aged: `largest`, `smallest`.

    Raises:
        UserError: an option, a photo or weights that cannot be used; one line that says what to do.
    """

    def __init__(self, checkpoint_path: Union[str, Path, None] = None, **options: Any):
        from work.configs.photo_options import PhotoOptions

        useless = PHOTO_FILES & options.keys()
        if useless:
            raise TypeError(f"Ager takes no {min(useless)}: its methods get photos and ages")
        path = None if checkpoint_path is None else str(checkpoint_path)
        self.options = PhotoOptions(checkpoint_path=path, **options)
        self._loaded: Optional[PhotoAger] = None
        self._known: OrderedDict[str, list[Subject]] = OrderedDict()

    @property
    def model(self) -> AgeingModel:
        """The loaded model behind this object."""
        return self._ager.model

    @property
    def _ager(self) -> PhotoAger:
        if self._loaded is None:
            from work.inference.photos import PhotoAger

            self._loaded = PhotoAger(self.options)
        return self._loaded

    def ages(self, photo: Photo) -> list[float]:
        """The estimated ages in years of the photo's faces, from left to right."""
        return [subject.age for subject in self._learn(_open(photo))]

    def photo(self, photo: Photo, age: Union[Age, Sequence[Age]]) -> Image.Image:
        """The whole photo with its faces at another age, as an RGB PIL image of the same size.

        Args:
            age: one for all faces, or a list with one per face, from left to right.
        """
        picture = _open(photo)
        subjects = self._learn(picture)
        targets = _targets(age)
        if _is_one(age) and len(targets) == 1:
            targets *= len(subjects)
        _require_faces(len(targets), len(subjects))
        return self._ager.age_photo(picture, subjects, targets)

    def lifespan(self, photo: Photo, ages: Iterable[Age]) -> list[Image.Image]:
        """The largest face at some ages, as square RGB PIL images: 1024 px, or as large as the chosen model draws."""
        subject, ager = self._largest(photo), self._ager
        return [ager.draw(subject, ager.years(subject, target)) for target in _targets(ages)]

    def film(
        self,
        photo: Photo,
        path: Union[str, Path],
        ages: Iterable[Age] = (0, 100),
        seconds: float = 8.0,
        fps: int = 25,
        size: int = 512,
        **look: Any,
    ) -> Path:
        """Write a film (.mp4, .gif, .webp) of the largest face through two or more ages, and back.

        Args:
            size: pixels of the face, an even number.
            look: other fields of `FilmOptions`, e.g. easing="pauses", back=False, caption=True.

        Returns:
            The path that was written.
        """
        from work.configs.film_options import FilmOptions
        from work.inference.films import check_name, find_stations, make_film

        asked = {"target_age": _joined(ages), "seconds": seconds, "fps": fps, "film_size": size}
        options = FilmOptions(**{**asked, **look})
        path = check_name(Path(path), options)
        subject = self._largest(photo)
        stations = find_stations(self.model, subject.encoded, options)
        draw = self.model.frames(subject.encoded, stations)
        return make_film(draw, stations, options, [subject.face]).write(path)

    def video(
        self,
        film: Union[str, Path],
        path: Union[str, Path],
        age: Union[Age, Sequence[Age], None] = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Age the people of a film and write it (.mp4, .mov, .mkv), sound included.

        Needs a model that adds a difference to each frame in one pass: `Ager()`, `Ager(method=...)`.

        Args:
            age: one for everybody, or a list with one per person, from left to right. By default 70, or with `person`
                nobody else changes.
            more: other fields of `VideoOptions`, e.g. start=5.0, seconds=10.0, crf=20, person="2=70".

        Returns:
            What was found: the people with their ages and frames, and the seconds of each part.
        """
        from work.configs.options import ModelChoice
        from work.configs.video_options import VideoOptions
        from work.video.film import age_film

        chosen = self.options.plain(ModelChoice)
        chosen["smallest"] = self.options.smallest
        target = None if age is None else _joined(age)
        options = VideoOptions(**{**chosen, "target_age": target, **more})
        return age_film(Path(film), Path(path), options, self.model)

    def _largest(self, photo: Photo) -> Subject:
        from work.faces.align import side_of

        return max(self._learn(_open(photo)), key=lambda subject: side_of(subject.face.corners()))

    def _learn(self, picture: Image.Image) -> list[Subject]:
        """What the model knows about the faces of a photo; the last few photos are remembered."""
        from work.errors import UserError

        key = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
        if key not in self._known:
            faces = self._ager.find(picture)
            if not faces:
                raise UserError(self._ager.no_face(picture))
            self._known[key] = [self._ager.learn(face) for face in faces]
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def _open(photo: Photo) -> Image.Image:
    """A photo as an upright RGB picture."""
    import numpy as np
    from PIL import Image

    from work.datasets.images import read_image, to_upright_rgb
    from work.errors import UserError

    if isinstance(photo, (str, Path)):
        return read_image(photo)
    if isinstance(photo, Image.Image):
        return to_upright_rgb(photo)
    pixels = np.asarray(photo)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UserError(f"an array [H, W, 3] of uint8 is needed, not {pixels.shape} {pixels.dtype}")
    return Image.fromarray(pixels)


def _is_one(age: Any) -> bool:
    return isinstance(age, (Real, str))  # NumPy's numbers are Real too


def _joined(ages: Any) -> str:
    """Ages as they are typed on a command line."""
    return str(ages) if _is_one(ages) else ",".join(str(age) for age in ages)


def _targets(ages: Union[Age, Iterable[Age]]) -> list[Any]:
    from work.configs.target_age import targets

    return targets(_joined(ages))


def _require_faces(targets: int, faces: int) -> None:
    from work.errors import UserError

    if targets > faces:
        raise UserError(f"{targets} target ages for {faces} face{'s' if faces > 1 else ''}")
