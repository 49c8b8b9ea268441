"""Folders of results: flat, or one folder per target age as `inference.py` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from work.configs.metrics_options import SCORES_FOLDER
from work.datasets.images import ImageError, find_images, read_image
from work.errors import UserError


@dataclass(frozen=True)
class Result:
    """One picture to judge.

    Attributes:
        age: the name of its folder, a target age in years, relative with a sign; "" in a flat folder.
        name: its path below that folder.
        partner: the picture to compare it with, if there is one.
    """

    path: Path
    age: str
    name: str
    partner: Path | None = None

    @property
    def has_target(self) -> bool:
        """Whether it is known how old the face should be."""
        return self.age != "" and self.age[0] not in "+-"


def is_age(name: str) -> bool:
    """Whether a folder's name is a target age, such as 30, 62.5 or +20; those of FFHQ, such as 05000, are none."""
    number = re.fullmatch(r"[+-]?(0|[1-9]\d*)(\.\d+)?", name)
    return number is not None and abs(float(name)) <= 100


def list_results(data_path: str | Path, gt_path: str | Path | None = None) -> list[Result]:
    """List the pictures below `data_path` with their partners, which have the same name below `gt_path`.

    The suffix of a partner may differ. Plots among earlier scores are no results.

    Raises:
        UserError: a folder is missing or holds no image.
    """
    root = Path(data_path)
    partners = _Partners(Path(gt_path)) if gt_path is not None else None
    results = []
    for path in find_images(root):
        below = path.relative_to(root) if root.is_dir() else Path(path.name)
        if SCORES_FOLDER in below.parts[:-1]:
            continue
        age = below.parts[0] if len(below.parts) > 1 and is_age(below.parts[0]) else ""
        name = below.relative_to(age) if age else below
        partner = partners.find(name) if partners else None
        results.append(Result(path, age, name.as_posix(), partner))
    if not results:
        raise UserError(f"no image (.jpg, .png, ...) in {root}")
    return sorted(results, key=lambda result: (float(result.age or -1), result.name))


def read_face(path: Path) -> Image.Image:
    """Read a picture of one face.

    Raises:
        ImageError: it cannot be read, or it is a row of several faces.
    """
    picture = read_image(path)
    if _is_row(picture):
        raise ImageError(path, _ROW.format(*picture.size))
    return picture


def read_pair(result: Result) -> tuple[Image.Image, Image.Image]:
    """Read a result and its partner.

    Raises:
        ImageError: one of them is missing or cannot be read, or only one of them is a row of several faces.
    """
    if result.partner is None:
        raise no_partner(result)
    pictures = read_image(result.path), read_image(result.partner)
    for picture, other, path in zip(pictures, pictures[::-1], (result.path, result.partner)):
        if _is_row(picture) and not _is_row(other):
            raise ImageError(path, _ROW.format(*picture.size))
    return pictures


def no_partner(result: Result) -> ImageError:
    """The error for a result that there is nothing to compare with."""
    return ImageError(result.path, f"no picture of the name {result.name} to compare with")


_ROW = "{}x{} px is a row of several faces; score the folder inference_results instead"


def _is_row(picture: Image.Image) -> bool:
    """Whether several square pictures lie side by side, as in inference_coupled."""
    return picture.width > picture.height and picture.width % picture.height == 0


class _Partners:
    """The pictures below a folder, by name."""

    def __init__(self, root: Path):
        base = root if root.is_dir() else root.parent
        self.names = {path.relative_to(base): path for path in find_images(root)}
        self.stems = {name.with_suffix(""): path for name, path in self.names.items()}

    def find(self, name: Path) -> Path | None:
        """The picture of this name; else the .jpg beside it, which the official scripts take; else any suffix."""
        for candidate in (name, name.with_suffix(".jpg")):
            if candidate in self.names:
                return self.names[candidate]
        return self.stems.get(name.with_suffix(""))
