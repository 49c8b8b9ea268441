"""From photo to aged photo: find the faces, align, age, put them back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from PIL import Image
from tqdm import tqdm

from work.configs.photo_options import PhotoOptions
from work.configs.target_age import Target
from work.datasets.folders import Report, result_names
from work.datasets.images import ImageError, find_images, read_image, save_image
from work.datasets.transforms import to_input
from work.faces.align import cut, ffhq_quad
from work.faces.detect import FaceDetector
from work.faces.paste import NewFace, paste
from work.inference.load import load_model


@dataclass
class Subject:
    """One face of a photo: its quad [4, 2], its estimated age, what the model knows about it."""

    quad: np.ndarray
    age: float
    state: object


class PhotoAger:
    """Ages the faces of photos of any size.

    Args:
        options: `checkpoint_path` chooses SAM, otherwise the embedded model is used.
    """

    def __init__(self, options: PhotoOptions):
        self.options = options
        self.model = load_model(options)
        self.detector = FaceDetector()

    def quads(self, photo: Image.Image) -> list[np.ndarray]:
        """The faces to age, each [4, 2], from left to right; none if no face is found or all are too small."""
        faces = self.detector(photo)
        wide = faces.boxes[:, 2] - faces.boxes[:, 0] >= self.options.smallest
        chosen = faces.landmarks[wide][: 1 if self.options.largest else None]
        chosen = sorted(chosen, key=lambda points: points[:, 0].mean())
        return [ffhq_quad(points) for points in chosen]

    def subjects(self, photo: Image.Image) -> list[Subject]:
        """The faces to age, inverted."""
        return [self.subject(photo, quad) for quad in self.quads(photo)]

    def subject(self, photo: Image.Image, quad: np.ndarray) -> Subject:
        """One face, inverted: the slow part, which all target ages share."""
        face = _tensor(cut(photo, quad, 256).image)
        photos = None
        if self.model.uses_photos:
            photos = [_tensor(cut(photo, quad, self.model.output_size).image)]
        state = self.model.encode(face, photos)
        return Subject(quad, self.model.ages(state)[0], state)

    def aged(self, subject: Subject, years: float) -> NewFace:
        """The face at a target age."""
        pictures, _ = self.model.transform(subject.state, paddle.full([1], float(years)))
        return NewFace(_picture(pictures), subject.quad)

    def age(
        self, photo: Image.Image, subjects: list[Subject], targets: list[Target]
    ) -> Image.Image:
        """The photo with each face at its target, which are in the same order; faces without one stay."""
        new = [self.aged(s, target.years(s.age)) for s, target in zip(subjects, targets)]
        return paste(photo, new)


def _tensor(image: Image.Image) -> paddle.Tensor:
    return paddle.to_tensor(to_input(image, image.width)[None])


def _picture(values: paddle.Tensor) -> Image.Image:
    """[1, 3, S, S] in [-1, 1] -> RGB, rounded: what did not change is the same 8-bit number again."""
    pixels = (values[0].transpose([1, 2, 0]).astype("float32").numpy() + 1) * 127.5
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def age_photos(source: Path, target: Path, options: PhotoOptions) -> int:
    """Age a photo or a folder of photos; the exit code.

    A photo goes to `target` itself if that has a suffix, else into it; with several ages the age is added to
    the name. A photo without a face is named and counted.
    """
    paths = find_images(source)
    single = source.is_file() and bool(target.suffix)
    names = [target] if single else [target / name for name in result_names(paths, source)]
    ager, report = PhotoAger(options), Report()
    with tqdm(total=len(paths), unit="photo", disable=None) as bar:
        for path, name in zip(paths, names):
            try:
                _age_photo(ager, path, name)
                report.done += 1
            except ImageError as error:
                report.failed.append(error)
            bar.update()
    return report.close(target)


def _age_photo(ager: PhotoAger, path: Path, name: Path) -> None:
    options = ager.options
    photo = read_image(path)
    subjects = ager.subjects(photo)
    if not subjects:
        raise ImageError(path, f"no face of {options.smallest:g} px or more found")
    targets = options.targets
    ages = ", ".join(f"{subject.age:.0f}" for subject in subjects)
    tqdm.write(f"{path}: {len(subjects)} face(s), estimated at {ages} years")
    if options.per_face:
        if len(targets) > len(subjects):
            raise ImageError(path, f"{len(targets)} target ages for {len(subjects)} faces")
        save_image(ager.age(photo, subjects, targets), name, options.quality)
        return
    for target in targets:
        aged = ager.age(photo, subjects, [target] * len(subjects))
        out = (
            name if len(targets) == 1 else name.with_name(f"{name.stem}_{target.text}{name.suffix}")
        )
        save_image(aged, out, options.quality)
