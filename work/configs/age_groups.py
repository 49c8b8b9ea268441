"""Age groups: from the text of a flag, and which of them holds an age."""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from work.errors import UserError

PRESETS = {"coarse": "00-20,20-40,40-60,60+", "fine": "30-40,40-50,50-60,60-70"}


class AgeGroup(NamedTuple):
    """Ages from `low` up to, but not including, `high`; infinity for "60+"."""

    name: str
    low: float
    high: float

    def holds(self, age: float) -> bool:
        return self.low <= age < self.high


def parse_groups(text: str) -> list[AgeGroup]:
    """Age groups from "00-20,20-40,60+", or from the name of a preset.

    Raises:
        UserError: a group that is not written so, is empty, or overlaps the one before it.
    """
    groups: list[AgeGroup] = []
    for name in PRESETS.get(text, text).split(","):
        found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3})|\+)", name.strip())
        low, high = (float(found[1]), float(found[2] or "inf")) if found else (0.0, 0.0)
        if low >= high:
            raise UserError(
                f"{name.strip()!r} is no age group; write 20-40 or 60+, separated by commas"
            )
        if groups and low < groups[-1].high:
            raise UserError(
                f"the age group {name.strip()} overlaps {groups[-1].name}; list them from young to old"
            )
        groups.append(AgeGroup(name.strip(), low, high))
    return groups


def group_of(age: float, groups: Sequence[AgeGroup]) -> AgeGroup:
    """The group that holds an age. Raises UserError, with the groups that there are, if none does."""
    for group in groups:
        if group.holds(age):
            return group
    names = ", ".join(group.name for group in groups)
    raise UserError(f"the age {age:.0f} is outside all age groups ({names})")
