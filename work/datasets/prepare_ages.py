"""Bring a folder of faces of known ages to the size of training: counted by age group, some of them held out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from work.configs.age_groups import AgeGroup
from work.datasets.ages import TABLE, hold_out, members, read_ages
from work.datasets.images import find_images
from work.datasets.prepare import Prepared, prepare
from work.files import atomic_write

TRAIN, TEST = "train", "test"


def prepare_ages(
    root: Path,
    out: Path,
    size: int,
    suffix: str,
    workers: int,
    groups: Sequence[AgeGroup],
    held: int = 0,
    table: Optional[Path] = None,
    seed: int = 0,
) -> Prepared:
    """Write every image into `out`/train or `out`/test, with a table `ages.csv` in each of those whose age is known.

    Prints how many faces each group has. All else is as in `prepare`.

    Args:
        groups: are counted; faces outside all of them are written, too.
        held: faces of each group that go into `test`, drawn by the seed.
        table: see `read_ages`.

    Raises:
        UserError: see `prepare`, `read_ages` and `hold_out`.
    """
    paths, base = find_images(root), root if root.is_dir() else root.parent
    ages = read_ages(base, paths, table)
    for line in counts(ages, groups):
        print(line)
    test = hold_out(ages, groups, held, seed) if held else np.zeros(len(ages), bool)
    parts = [TEST if tested else TRAIN for tested in test]
    result = prepare(root, out, size, suffix, workers, parts)
    for part in sorted(set(parts)):
        names = [
            (path.relative_to(base).with_suffix(suffix).as_posix(), f"{age:g}")
            for path, age, mine in zip(paths, ages, parts)
            if mine == part and not np.isnan(age)
        ]
        _write_table(out / part / TABLE, names)
    return result


def counts(ages: np.ndarray, groups: Sequence[AgeGroup]) -> list[str]:
    """A line for each group, and for the faces that are in none."""
    found = [len(members(ages, group)) for group in groups]
    lines = [f"{group.name}: {count} faces" for group, count in zip(groups, found)]
    unknown = int(np.isnan(ages).sum())
    outside = len(ages) - sum(found) - unknown
    lines += [f"outside these groups: {outside} faces"] if outside else []
    return lines + ([f"age not known: {unknown} faces"] if unknown else [])


def _write_table(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([("file", "age"), *rows])
