"""Ages of the faces in a folder, from their names or a table; the faces of an age group; faces to hold out."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from work.configs.age_groups import AgeGroup
from work.errors import UserError

TABLE = "ages.csv"  # is read when it lies in the folder and no other table is named
OLDEST = 120.0
# UTKFace: AGE_GENDER_RACE_DATE.jpg, a few without a race. CACD: AGE_First_Last_NUMBER.jpg.
UTKFACE = re.compile(r"(\d{1,3})_[01]_(\d_)?\d{6,}(\.jpg\.chip)?")
CACD = re.compile(r"(\d{1,3})_\D.*_\d{4}")


def age_in_name(path: Path) -> Optional[float]:
    """The age that UTKFace or CACD put into a file's name; None in any other name."""
    found = UTKFACE.fullmatch(path.stem) or CACD.fullmatch(path.stem)
    return float(found[1]) if found else None


def read_ages(root: Path, paths: Sequence[Path], table: Optional[Path] = None) -> np.ndarray:
    """The age of each file in years, [N] float32; NaN where it is not known.

    Args:
        root: the folder that the names in the table are relative to.
        table: a CSV with the columns `file` and `age`; without it `ages.csv` in the folder, else the files' names.

    Raises:
        UserError: no file has an age, or the table cannot be read.
    """
    if table is None and (root / TABLE).is_file():
        table = root / TABLE
    if table is None:
        found = [age_in_name(path) for path in paths]
    else:
        known = _read_table(table)
        found = [known.get(path.relative_to(root).as_posix()) for path in paths]
    ages = np.array([np.nan if age is None else age for age in found], np.float32)
    if np.isnan(ages).all():
        reason = f"{table} names none of its {len(paths)} pictures"
        if table is None:
            reason = f"no name starts with an age as in UTKFace or CACD, and there is no {TABLE}"
        raise UserError(
            f"{root}: a folder without ages: {reason}; --ages_csv names a table of file,age"
        )
    return ages


def _read_table(table: Path) -> dict[str, float]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"file", "age"} - set(rows.fieldnames or ())
            if missing:
                raise UserError(
                    f"{table}: lacks the column {' and '.join(sorted(missing))}; it needs file and age"
                )
            return {row["file"]: _age(table, rows.line_num, row["age"]) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}: not a table of ages ({error})") from error


def _age(table: Path, line: int, text: Optional[str]) -> float:
    try:
        age = float(text or "")
    except ValueError:
        age = -1.0
    if not 0 <= age <= OLDEST:
        raise UserError(
            f"{table}, line {line}: the age {text!r} is not a number from 0 to {OLDEST:.0f}"
        )
    return age


def members(ages: np.ndarray, group: AgeGroup) -> np.ndarray:
    """The indices of the faces of a group, in order."""
    return np.flatnonzero((ages >= group.low) & (ages < group.high))


def hold_out(ages: np.ndarray, groups: Sequence[AgeGroup], count: int, seed: int) -> np.ndarray:
    """Which faces are kept away from training, [N] bool: `count` of each group, drawn by a seed.

    Raises:
        UserError: a group has not so many, or none would be left of it.
    """
    held, rng = np.zeros(len(ages), bool), np.random.default_rng([seed, 19])
    for group in groups:
        found = members(ages, group)
        if len(found) <= count:
            raise UserError(
                f"the age group {group.name} has {len(found)} faces; {count} cannot be held out"
            )
        held[rng.permutation(found)[:count]] = True
    return held
