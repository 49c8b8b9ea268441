"""Options of lifespan_video.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from work.configs.flags import file_names, option, require
from work.configs.options import LIFESPAN, ModelChoice
from work.configs.target_age import Target, targets

FORMATS = ("mp4", "gif", "webp")
EASINGS = ("smooth", "linear", "pauses")


@dataclass
class FilmOptions(ModelChoice):
    """Options of lifespan_video.py."""

    paths: list[Path] = file_names(
        "IN OUT",
        "a photo or a folder of photos, and the film (.mp4, .gif, .webp) or a folder for the films",
    )
    target_age: str = option(
        LIFESPAN,
        "two or more ages in years, which the film passes through; +20: relative to the estimated age",
    )
    back: bool = option(True, "return to the first age at the end, so that the film can be looped")
    seconds: float = option(8.0, "length of the film in seconds, including the way back")
    fps: int = option(25, "frames per second, 1 to 60 (GIF: up to 50)")
    easing: str = option(
        "smooth",
        "smooth starts and ends slowly, linear keeps one speed, pauses rests at every target age",
        choices=EASINGS,
    )
    caption: bool = option(False, "write the age into the film")
    side_by_side: bool = option(False, "show the input on the left")
    interpolate: bool = option(
        False, "a film from one person to another instead: two photos and OUT are needed"
    )
    film_size: int = option(
        512, "width and height of a face in pixels, an even number from 16 to 2048"
    )
    format: Optional[str] = option(
        None,
        "format of the films of a folder; a single film has it in its name",
        shown="mp4",
        choices=FORMATS,
    )
    no_crop: bool = option(
        False, "the photos are already FFHQ-aligned faces: do not look for faces"
    )
    batch_size: int = option(4, "frames computed at once", expert=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size >= 1, "--batch_size is at least 1")
        require(1 <= self.fps <= 60, "--fps lies between 1 and 60")
        require(
            16 <= self.film_size <= 2048 and self.film_size % 2 == 0,
            f"--film_size {self.film_size}: an even number from 16 to 2048 is needed",
        )
        require(
            0 < self.seconds <= 3600 and self.frames >= 4,
            f"--seconds {self.seconds:g} at --fps {self.fps}: 4 frames to an hour are needed",
        )
        require(
            len({target.text for target in self.ages}) >= 2,
            f"--target_age {self.target_age}: a film needs two ages or more, e.g. 0,50,100",
        )

    @property
    def frames(self) -> int:
        """Frames of the whole film."""
        return round(self.seconds * self.fps)

    @property
    def ages(self) -> list[Target]:
        return targets(self.target_age)
