"""Finds rendered people: a folder for each, in it one picture per age, PERSON/AGE.jpg."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from work.errors import UserError

OLDEST = 120  # years
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Person:
    """A person who does not exist, at several ages.

    Attributes:
        number: what the folder is called.
        pictures: by age in whole years, from the youngest on.
    """

    number: int
    pictures: dict[int, Path]


def read_people(root: Path) -> list[Person]:
    """The people below a folder, by number; whatever is not called a number is ignored.

    Raises:
        UserError: there is no such folder, nobody in it, or a person without two ages.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; PERSON/AGE.jpg is expected in it")
    folders = [path for path in root.iterdir() if path.is_dir() and path.name.isdecimal()]
    people = []
    for folder in sorted(folders, key=lambda path: (int(path.name), path.name)):
        pictures = _pictures(folder)
        if len(pictures) < 2:
            raise UserError(
                f"{folder}: pictures of at least two ages are needed, such as 20.jpg and 65.jpg; "
                f"found: {len(pictures)}"
            )
        people.append(Person(int(folder.name), pictures))
    if not people:
        raise UserError(f"{root}: nobody in it; people lie in PERSON/AGE.jpg, such as 00042/65.jpg")
    return people


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
