"""A folder of rendered people, made block by block in several processes; run again, it resumes.

OUT/00042/15.jpg, 20.jpg, ... 85.jpg     the person of seed 42 at AGES, 512 px
OUT/candidates.json, OUT/people.json      what the readers saw in every sample, and in the people that were rendered
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Sequence, TypeVar

import numpy as np

from work.datasets.images import save_image
from work.errors import UserError
from work.files import atomic_write, check_folder
from work.locks import lock_folder
from work.progress import progress
from work.training.reaging.pairs import PEOPLE
from work.training.reaging.people import GROUPS, Candidate, choose
from work.training.reaging.render import AGES, Renderer
from work.workers import run_parallel

BLOCK = 300  # candidates
QUALITY = 95
PERSON_BYTES = 1_000_000
CANDIDATES = "candidates.json"

Row = TypeVar("Row")


@dataclass(frozen=True)
class Rendered:
    """One person that was rendered; those that did not pass have no pictures.

    Attributes:
        glasses: the ages at which glasses are worn.
    """

    seed: int
    group: int
    off: float
    fall: float
    gender_kept: bool
    glasses: list[int]
    passed: bool


def render_folder(out: Path, count: int, workers: int) -> tuple[int, int]:
    """Render people until `count` of them are in the folder.

    Returns:
        How many there are, and how many were left out because their pictures miss their ages.

    Raises:
        UserError: the folder cannot be written, has no room, or another process renders into it.
    """
    check_folder(out)
    with lock_folder(out, "--out_path"):
        for stale in out.glob(".person-*"):
            shutil.rmtree(stale)
        candidates = read_rows(out / CANDIDATES, Candidate)
        people = read_rows(out / PEOPLE, Rendered)
        done, counts, block = {person.seed for person in people}, np.zeros(GROUPS, int), 0
        begun = min(count, passed(people))
        check_folder(out, (count - begun) * PERSON_BYTES)
        with progress(total=count, unit="person", label="rendering", done=begun) as bar:
            while True:
                if passed(people) >= count:
                    return passed(people), len(people) - passed(people)
                seeds = range(block * BLOCK, (block + 1) * BLOCK)
                known = candidates[seeds.start : seeds.stop]
                if not known:
                    found = run_parallel(_look, seeds, workers, Renderer, device="cpu")
                    known = sorted(found, key=lambda candidate: candidate.seed)
                    candidates += known
                    write_rows(out / CANDIDATES, candidates)
                rest = [c for c in choose(known, counts) if c.seed not in done]
                for person in run_parallel(
                    _render, [(c, out) for c in rest], workers, Renderer, device="cpu"
                ):
                    people.append(person)
                    write_rows(out / PEOPLE, people)
                    bar.reach(passed(people))
                    if passed(people) >= count:
                        break
                block += 1


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """What `write_rows` wrote; none if there is no such file.

    Raises:
        UserError: it holds something else.
    """
    if not path.exists():
        return []
    try:
        return [kind(**row) for row in json.loads(path.read_text())]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a table that this version wrote ({error})") from error


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Write dataclasses as JSON, one a line."""
    with atomic_write(path) as temporary:
        lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
        temporary.write_text(f"[\n{lines}\n]\n")


def passed(people: list[Rendered]) -> int:
    """How many people were kept."""
    return sum(person.passed for person in people)


def _look(renderer: Renderer, seed: int) -> Candidate:
    return renderer.look(seed)


def _render(renderer: Renderer, item: tuple[Candidate, Path]) -> Rendered:
    person, out = item
    pictures, verdict = renderer.render(person)
    if verdict.passed:
        temporary, folder = out / f".person-{person.seed:05d}", out / f"{person.seed:05d}"
        temporary.mkdir(exist_ok=True)
        for age, picture in zip(AGES, pictures):
            save_image(picture, temporary / f"{age}.jpg", QUALITY)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    return Rendered(person.seed, person.group, *verdict, verdict.passed)
