"""From a photo to the same photo with its people older or younger: find the faces, age them, put them back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import paddle
from PIL import Image

from work.configs.photo_options import PhotoOptions
from work.configs.target_age import Target
from work.datasets.folders import free_name, result_names, without_results
from work.datasets.images import (
    READABLE,
    ImageError,
    find_images,
    read_image,
    save_image,
    writable_name,
)
from work.datasets.photo_info import give_profile
from work.datasets.transforms import to_picture
from work.errors import UserError
from work.faces.align import ffhq_quad
from work.faces.aligned import AlignedFace
from work.faces.detect import FaceDetector
from work.faces.paste import NewFace, paste
from work.files import check_folder, refuse_replacing, size_of
from work.inference.load import load_model
from work.inference.model import AgeRefused
from work.inference.shares import LearnThenDraw, OnShare, ignore_progress, within
from work.progress import progress, say
from work.report import Report


@dataclass
class Subject:
    """One person in a photo: where the face is, its estimated age, what the model knows about it."""

    face: AlignedFace
    age: float
    encoded: Any


class PhotoAger:
    """Ages the faces of photos of any size: `find`, then `learn` each face once, then `age` it any number of times.

    Args:
        options: `checkpoint_path` chooses SAM, otherwise `model` decides.

    Raises:
        UserError: the model knows no ages.
    """

    def __init__(self, options: PhotoOptions):
        self.options = options
        self.model = load_model(options)
        self.model.require_ageing(options.checkpoint_path)
        default = options.smallest == PhotoOptions.smallest and "smallest" not in options.typed
        self.detector = FaceDetector(smallest=None if default else options.smallest)

    def no_face(self, photo: Image.Image) -> str:
        """What is said where `find` finds nobody."""
        least = max(self.options.smallest, self.detector.smallest_in(photo))
        return f"no face of {least:.0f} px or more found"

    def find(self, photo: Image.Image) -> list[AlignedFace]:
        """The faces to age, from left to right; none if no face is found or all are too small."""
        found = self.detector(photo)
        wide = found.boxes[:, 2] - found.boxes[:, 0] >= self.options.smallest
        chosen = found.landmarks[wide][: 1 if self.options.largest else None]
        chosen = sorted(chosen, key=lambda points: points[:, 0].mean())
        return [AlignedFace(photo, ffhq_quad(points), points) for points in chosen]

    def learn(
        self, face: AlignedFace, steps: Optional[int] = None, on_share: OnShare = ignore_progress
    ) -> Subject:
        """Encode a face: the slow part, which all target ages share.

        Args:
            steps, on_share: see `AgeingModel.encode`.
        """
        encoded = self.model.encode([face], steps=steps, on_share=on_share)
        return Subject(face, self.model.ages(encoded)[0], encoded)

    def age(self, subject: Subject, years: float, on_share: OnShare = ignore_progress) -> NewFace:
        """The face at a target age, ready to be put back."""
        model, encoded = self.model.drawn_by(subject.encoded, [years], on_share)
        pictures = model.transform(encoded, paddle.full([1], float(years)))
        picture = _as_photo(pictures, subject.face.photo)
        return NewFace(picture, subject.face.corners(), model.additive, model.seamless)

    def draw(self, subject: Subject, years: float) -> Image.Image:
        """The face alone at a target age: a square of the model's size, whichever of its networks draws it."""
        pictures = self.model.transform(subject.encoded, paddle.full([1], float(years)))
        return _as_photo(pictures, subject.face.photo)

    def years(self, subject: Subject, target: Target) -> float:
        """A typed target age in years, for this person."""
        return float(self.model.target_years(subject.encoded, target))

    def age_photo(
        self, photo: Image.Image, subjects: Sequence[Subject], targets: Sequence[Target]
    ) -> Image.Image:
        """The photo with each face at its target, in the same order; faces without a target stay."""
        new = [self.age(s, self.years(s, target)) for s, target in zip(subjects, targets)]
        return paste(photo, new)


def _as_photo(pictures: paddle.Tensor, photo: Image.Image) -> Image.Image:
    """The first of some pictures, with the photo's colour profile."""
    return give_profile(to_picture(pictures[0].numpy(), rounded=True), photo)


def age_photos(source: Path, target: Optional[Path], options: PhotoOptions) -> int:
    """Age a photo or a folder of photos; the exit code.

    Args:
        target: the aged photo if it has a suffix, else a folder; None puts the result beside the photo (or the
            folder) under a new name. With several ages the age is added to the name.
    """
    names = name_results(source, target, options)
    paths, written = list(names), []
    copies = 1 if options.per_face else len(options.targets)
    check_folder(next(iter(names.values())).parent, copies * size_of(paths))
    ager, report = PhotoAger(options), Report()
    with progress(total=len(paths), unit="photo") as bar:
        for number, (path, name) in enumerate(names.items()):
            bar.set_note(path.name)
            try:
                made = _age_file(ager, path, name, within(bar.reach, number, number + 1))
                written += made
                report.done += bool(made)
                report.skipped += not made
            except ImageError as error:
                report.failed.append(error)
            bar.reach(number + 1)
    return report.finish(written[0] if len(written) == 1 else _common_folder(written))


def name_results(source: Path, target: Optional[Path], options: PhotoOptions) -> dict[Path, Path]:
    """The photos below `source` and where each one's result goes.

    Raises:
        UserError: a photo, or a file whose name was not typed, would be replaced by a result; OUT has a picture's name,
            but is to be a folder.
    """
    paths = find_images(source)
    target = target or _name_beside(source, options)
    if source.is_dir():
        if target.suffix.lower() in READABLE and not target.is_dir():
            raise UserError(f"{source} is a folder: OUT is a folder for its photos, not {target}")
        paths = without_results(paths, source, target)
    if source.is_file() and target.suffix and not target.is_dir():
        written = writable_name(target)
        if written != target and os.path.lexists(written) and not options.skip_existing:
            raise UserError(f"{target.suffix} is not written, and {written} is there already")
        names = {source: target}
    else:
        names = {path: target / name for path, name in zip(paths, result_names(paths, source))}
    outs = itertools.chain.from_iterable(result_paths(name, options) for name in names.values())
    refuse_replacing(paths, outs, "photos")
    return names


def _name_beside(source: Path, options: PhotoOptions) -> Path:
    """A new name beside the photo or the folder; with `--skip_existing` that of an earlier run."""
    beside = Path(os.path.abspath(source)) if source.name in ("", "..") else source
    label = options.targets[0].text if len(options.targets) == 1 else "aged"
    name = beside.with_name(f"{beside.stem}_{label}{beside.suffix if source.is_file() else ''}")

    def is_free(path: Path) -> bool:
        written = result_paths(path, options) if source.is_file() else [path]
        return not any(map(os.path.lexists, written))

    return name if options.skip_existing else free_name(name, is_free)


def result_paths(name: Path, options: PhotoOptions) -> list[Path]:
    """The files that are written for one photo: with several ages, the age is added to the name."""
    name = writable_name(name)
    if len(options.targets) == 1 or options.per_face:
        return [name]
    return [name.with_name(f"{name.stem}_{target.text}{name.suffix}") for target in options.targets]


def _common_folder(written: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in written])) if written else Path(".")


def _age_file(ager: PhotoAger, path: Path, name: Path, on_share: OnShare) -> list[Path]:
    """Age the faces of one file. Returns what was written; nothing if all of it was there already."""
    options, targets = ager.options, ager.options.targets
    outs = result_paths(name, options)
    if options.skip_existing and all(out.is_file() for out in outs):
        return []
    photo = read_image(path)
    faces = ager.find(photo)
    if not faces:
        raise ImageError(path, ager.no_face(photo))
    count = len(faces)
    found = f"{count} face{'s' if count > 1 else ''}"
    if options.per_face and len(targets) > len(faces):
        raise ImageError(path, f"{len(targets)} target ages for {found}")
    work = LearnThenDraw(on_share, len(outs))
    subjects = [
        ager.learn(face, on_share=within(work.learn, i / count, (i + 1) / count))
        for i, face in enumerate(faces)
    ]
    ages = ", ".join(f"{subject.age:.0f}" for subject in subjects)
    stay = count - len(targets) if options.per_face else 0
    unasked = f"; {stay} without a target age" if stay > 0 else ""
    say(f"{path}: {found}, estimated at {ages} years{unasked}")
    written = []
    for out, target in zip(outs, targets):
        chosen = targets if options.per_face else [target] * count
        try:
            aged = ager.age_photo(photo, subjects, chosen)
        except AgeRefused as error:
            raise ImageError(path, str(error)) from error
        written.append(save_image(aged, out, options.jpeg_quality))
        work.draw()
    return written
