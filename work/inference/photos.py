"""From a photo to the same photo with its people older or younger: find the faces, age them, put them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import paddle
from PIL import Image

from work.configs.photo_options import PhotoOptions
from work.configs.target_age import Target
from work.datasets.folders import result_names
from work.datasets.images import ImageError, find_images, read_image, save_image
from work.datasets.transforms import to_picture
from work.faces.align import ffhq_quad
from work.faces.aligned import AlignedFace
from work.faces.detect import FaceDetector
from work.faces.paste import NewFace, paste
from work.files import check_folder, size_of
from work.inference.load import load_model
from work.inference.steps import LearnThenDraw, OnStep, unheard, within
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
        options: `checkpoint_path` chooses SAM, otherwise the embedded model is used.
    """

    def __init__(self, options: PhotoOptions):
        self.options = options
        self.model = load_model(options)
        self.detector = FaceDetector()

    def find(self, photo: Image.Image) -> list[AlignedFace]:
        """The faces to age, from left to right; none if no face is found or all are too small."""
        found = self.detector(photo)
        wide = found.boxes[:, 2] - found.boxes[:, 0] >= self.options.smallest
        chosen = found.landmarks[wide][: 1 if self.options.largest else None]
        chosen = sorted(chosen, key=lambda points: points[:, 0].mean())
        return [AlignedFace(photo, ffhq_quad(points), points) for points in chosen]

    def learn(
        self, face: AlignedFace, steps: Optional[int] = None, on_step: OnStep = unheard
    ) -> Subject:
        """What the model knows about a face: the slow part, which all target ages share.

        Args:
            steps, on_step: see `AgeingModel.encode`.
        """
        encoded = self.model.encode([face], steps=steps, on_step=on_step)
        return Subject(face, self.model.ages(encoded)[0], encoded)

    def age(self, subject: Subject, years: float) -> NewFace:
        """The face at a target age, ready to be put back."""
        pictures = self.model.transform(subject.encoded, paddle.full([1], float(years)))
        return NewFace(to_picture(pictures[0].numpy(), rounded=True), subject.face.corners())

    def age_photo(
        self, photo: Image.Image, subjects: Sequence[Subject], targets: Sequence[Target]
    ) -> Image.Image:
        """The photo with each face at its target, in the same order; faces without a target stay."""
        new = [self.age(s, target.years(s.age)) for s, target in zip(subjects, targets)]
        return paste(photo, new)


def age_photos(source: Path, target: Path, options: PhotoOptions) -> int:
    """Age a photo or a folder of photos; the exit code.

    A photo goes to `target` itself if that has a suffix, else into it; with several ages the age is added to
    the name. A photo without a face is named and counted.
    """
    paths = find_images(source)
    single = source.is_file() and bool(target.suffix)
    names = [target] if single else [target / name for name in result_names(paths, source)]
    copies = 1 if options.per_face else len(options.targets)
    check_folder(target.parent if single else target, copies * size_of(paths))
    ager, report = PhotoAger(options), Report()
    with progress(total=len(paths), unit="photo") as bar:
        for number, (path, name) in enumerate(zip(paths, names)):
            bar.set_note(path.name)
            try:
                _age_file(ager, path, name, lambda share, n=number: bar.reach(n + share))
                report.done += 1
            except ImageError as error:
                report.failed.append(error)
            bar.reach(number + 1)
    return report.finish(target)


def _age_file(ager: PhotoAger, path: Path, name: Path, on_step: OnStep) -> None:
    options, targets = ager.options, ager.options.targets
    photo = read_image(path)
    faces = ager.find(photo)
    if not faces:
        raise ImageError(path, f"no face of {options.smallest:g} px or more found")
    if options.per_face and len(targets) > len(faces):
        raise ImageError(path, f"{len(targets)} target ages for {len(faces)} faces")
    work, count = LearnThenDraw(on_step, 1 if options.per_face else len(targets)), len(faces)
    subjects = [
        ager.learn(face, on_step=within(work.learn, i / count, (i + 1) / count))
        for i, face in enumerate(faces)
    ]
    ages = ", ".join(f"{subject.age:.0f}" for subject in subjects)
    say(f"{path}: {len(subjects)} face(s), estimated at {ages} years")
    if options.per_face:
        save_image(ager.age_photo(photo, subjects, targets), name, options.jpeg_quality)
        return
    for target in targets:
        aged = ager.age_photo(photo, subjects, [target] * len(subjects))
        out = name
        if len(targets) > 1:
            out = name.with_name(f"{name.stem}_{target.text}{name.suffix}")
        save_image(aged, out, options.jpeg_quality)
        work.draw()
