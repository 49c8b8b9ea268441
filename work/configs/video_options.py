"""Options of age_video.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from work.configs.flags import file_names, option, require
from work.configs.options import ModelChoice, check_smallest
from work.configs.target_age import Target, targets

FILM_CODECS = ("h264", "hevc")


@dataclass
class VideoOptions(ModelChoice):
    """Options of age_video.py."""

    paths: list[Path] = file_names(
        "IN OUT",
        "a film, and the aged one (.mp4, .mov, .mkv); with --people a picture (.png, .jpg)",
    )
    target_age: Optional[str] = option(
        None,
        "years, 15 to 100; +20 or -15: relative to the estimated age; a list: one age per person, from left to right",
        shown="70; with --person nobody else changes",
    )
    person: Optional[str] = option(
        None,
        "ages by the numbers that --people shows, e.g. 2=70,1=+10; these beat --target_age",
        shown="everybody by --target_age",
    )
    people: bool = option(
        False, "write a contact sheet of the people with their numbers and estimated ages, and stop"
    )
    start: float = option(0.0, "seconds of IN to leave out at the beginning")
    seconds: float = option(0.0, "seconds to take", shown="all the rest")
    smallest: float = option(32, "skip faces narrower than this many pixels")
    crf: int = option(18, "quality of the film, 0 to 51: lower is better, but makes a larger file")
    codec: str = option("h264", "h264 plays everywhere, hevc is smaller", choices=FILM_CODECS)
    resume: bool = option(
        False,
        "go on after the parts that an interrupted run of the same command has left beside OUT",
    )
    report: Optional[str] = option(
        None, "write people, frames and seconds of each part to this JSON file", shown="no report"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.start < math.inf, "--start is at least 0")
        require(0 <= self.seconds < math.inf, "--seconds is at least 0")
        require(0 <= self.crf <= 51, "--crf lies between 0 and 51")
        check_smallest(self.smallest)
        require(self.codec in FILM_CODECS, f"--codec {self.codec}: one of {', '.join(FILM_CODECS)}")
        self.targets  # noqa: B018  (checks what was typed)
        self.by_number  # noqa: B018

    @property
    def targets(self) -> list[Target]:
        """One for everybody, or one per person; none where only --person was typed."""
        if self.target_age is None:
            return [] if self.person else targets("70")
        return targets(self.target_age)

    @property
    def by_number(self) -> dict[int, Target]:
        """The targets of --person."""
        found = {}
        for part in (self.person or "").split(","):
            number, _, age = part.strip().partition("=")
            if part.strip():
                typed = f"--person {self.person}: type numbers and ages, e.g. 2=70,1=+10"
                require(number.isdecimal() and bool(age), typed)
                found[int(number)] = Target(age.strip(), "--person")
        return found

    @property
    def all_targets(self) -> list[Target]:
        return [*self.targets, *self.by_number.values()]

    def target_of(self, number: int) -> Optional[Target]:
        """The target of the person with this number, from 1; None: stays as he or she is."""
        if number in self.by_number:
            return self.by_number[number]
        if len(self.targets) == 1:
            return self.targets[0]
        return self.targets[number - 1] if number <= len(self.targets) else None
