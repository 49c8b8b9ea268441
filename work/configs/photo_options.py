"""Options of age_photo.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from work.configs.flags import file_names, option, require
from work.configs.options import BLENDS, ModelChoice, check_smallest
from work.configs.target_age import Target, targets


@dataclass
class PhotoOptions(ModelChoice):
    """Options of age_photo.py."""

    paths: list[Path] = file_names(
        "IN [OUT]",
        "a photo or a folder of photos, and a file name or a folder for the aged ones "
        "(without it they go beside IN: me_70.jpg)",
    )
    target_age: str = option(
        "70", "years, 0 to 100; +20 or -15: relative to the estimated age; or several: 20,50,+30"
    )
    per_face: bool = option(
        False,
        "one age per face, from left to right, instead of one picture per age",
    )
    skip_existing: bool = option(False, "leave out photos whose results are there already")
    largest: bool = option(False, "age only the largest face")
    smallest: float = option(
        32,
        "skip faces narrower than this many pixels",
        shown="32, or 1.5 % of the longer side of larger photos",
    )
    blend: Optional[str] = option(
        "composite", "keep detail of the photo, or show the generator's face", choices=BLENDS
    )
    jpeg_quality: int = option(95, "quality of JPEG and WebP files, 1 to 100", expert=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.jpeg_quality <= 100, "--jpeg_quality lies between 1 and 100")
        check_smallest(self.smallest)
        self.targets  # noqa: B018  (checks what was typed)

    @property
    def targets(self) -> list[Target]:
        return targets(self.target_age)
