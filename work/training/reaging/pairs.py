"""Finds rendered people: a folder for each, in it one picture per age, PERSON/AGE.jpg.

A table `people.json` beside them, where there is one, tells at which ages somebody wears glasses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from work.errors import UserError

PEOPLE = "people.json"
OLDEST = 120  # years
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Person:
    """A person who does not exist, at several ages.

    Attributes:
        number: what the folder is called.
        pictures: by age in whole years, from the youngest on.
        glasses: the ages at which they are worn.
    """

    number: int
    pictures: dict[int, Path]
    glasses: frozenset[int] = frozenset()

    def partners(self, age: int) -> list[int]:
        """The ages that make a pair with one, itself among them: glasses neither come nor go."""
        return [a for a in self.pictures if (a in self.glasses) == (age in self.glasses)]


def read_people(root: Path) -> list[Person]:
    """The people below a folder, by number; whatever is not called a number is ignored.

    Where render_people.py's table lies beside them, only those that passed by it: others may have been drawn last,
    when enough had passed already.

    Raises:
        UserError: there is no such folder, nobody in it, a person without two ages, or a damaged table.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; PERSON/AGE.jpg is expected in it")
    glasses = _read_glasses(root / PEOPLE)
    folders = [path for path in root.iterdir() if path.is_dir() and path.name.isdecimal()]
    if glasses is not None:
        folders = [path for path in folders if int(path.name) in glasses]
    people = []
    for folder in sorted(folders, key=lambda path: (int(path.name), path.name)):
        pictures = _pictures(folder)
        if len(pictures) < 2:
            raise UserError(
                f"{folder}: pictures of at least two ages are needed, such as 20.jpg and 65.jpg; "
                f"found: {len(pictures)}"
            )
        number = int(folder.name)
        people.append(Person(number, pictures, glasses[number] if glasses else frozenset()))
    if not people:
        raise UserError(f"{root}: nobody in it; people lie in PERSON/AGE.jpg, such as 00042/65.jpg")
    return people


def _read_glasses(table: Path) -> Optional[dict[int, frozenset[int]]]:
    """The ages at which people who passed wear glasses, by number; None without a table."""
    if not table.exists():
        return None
    try:
        rows = json.loads(table.read_text())
        return {int(row["seed"]): frozenset(row["glasses"]) for row in rows if row["passed"]}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{table}: not a table that render_people.py wrote ({error!r})") from error


def _pictures(folder: Path) -> dict[int, Path]:
    found = {
        int(path.stem): path
        for path in sorted(folder.iterdir())
        if path.stem.isdecimal() and path.suffix.lower() in SUFFIXES and int(path.stem) <= OLDEST
    }
    return dict(sorted(found.items()))


def split_people(
    people: Sequence[Person], every: int, root: Optional[Path] = None
) -> tuple[list[Person], list[Person]]:
    """People to train on, and those kept aside: whose numbers `every` divides. More people change no one's part.

    Raises:
        UserError: nobody is left for one of the two; names `root`.
    """
    parts: tuple[list[Person], list[Person]] = ([], [])
    for person in people:
        parts[person.number % every == 0].append(person)
    if not all(parts):
        raise UserError(
            f"{root}: {len(people)} people cannot be split; every person whose number {every} divides "
            "(--test_every) is kept aside, the others are for training"
        )
    return parts
