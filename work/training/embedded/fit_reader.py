"""Fit readers of ages, genders and races to photos of people of known ages, which `read_people` has read.

Everything is in closed form, so the same features give the same readers.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from work.errors import UserError
from work.models.age_gender import COUNTS, combine, small_network_years

PENALTY = 3.0
FOLDS = 5
OLDEST = 95.0  # years; labels above are rare, and mostly wrong
# True ages at which the medians of readings are kept, and how far around each they are taken
TRUE_AGES = np.array(
    [1, 4, 8, 12, 16, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 86, 92.0]
)
AROUND = 3.0


# UTKFace's labels for black, Asian and Indian people; 0 is white, 4 the others
RACES = 1, 2, 3


class People(NamedTuple):
    """Scaled features [N, F] of people, plain and softened, and what is known of them [N]."""

    x: np.ndarray
    soft: np.ndarray
    age: np.ndarray
    male: np.ndarray
    race: np.ndarray
    small: np.ndarray  # years that the small age network reads
    mean: np.ndarray  # [F], taken off the features, which then were multiplied by `scale`
    scale: np.ndarray


def load_people(folder: Path) -> People:
    """What `read_people` has written to a folder, without those whose age is doubtful.

    Raises:
        UserError: `folder` holds no people.
    """
    parts = [np.load(path) for path in sorted(folder.glob("people_*.npz"))]
    if not parts:
        raise UserError(f"--people {folder}: holds no people_*.npz; run read_people first")
    names = ("X", "XA", "age", "male", "race")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    x, soft, *known = (value[joined["age"] <= OLDEST] for value in joined.values())
    x, soft = x.astype(np.float32), soft.astype(np.float32)
    mean, scale = x.mean(0), feature_scale(x)
    small = small_network_years(paddle.to_tensor(x)).numpy()
    return People((x - mean) * scale, (soft - mean) * scale, *known, small, mean, scale)


def feature_scale(x: np.ndarray) -> np.ndarray:
    """A scale per feature that gives each network the same weight."""
    share = np.concatenate([np.full(n, 1 / np.sqrt(n)) for n in COUNTS])
    return (share / (x.std(0) + 1e-2)).astype(np.float32)


def solve(people: People, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of y [N, K] on both looks at the chosen people: coefficients [F, K], constants [K].

    Weights make every age count about as much.
    """
    age, x = people.age[rows], np.concatenate([people.x[rows], people.soft[rows]])
    counts, _ = np.histogram(age, bins=np.arange(0, OLDEST + 10, 5))
    weight = np.tile(1 / np.sqrt(counts[(age // 5).astype(int)]), 2)
    y = np.tile(y[rows], (2, 1))
    share = weight[:, None] / weight.sum()
    mean_x, mean_y = (share * x).sum(0), (share * y).sum(0)
    root = np.sqrt(weight / weight.mean())[:, None].astype(np.float32)
    xs, ys = (x - mean_x) * root, (y - mean_y) * root
    gram = xs @ xs.T
    gram[np.diag_indices_from(gram)] += PENALTY
    found = xs.T @ np.linalg.solve(gram, ys)
    return found, mean_y - mean_x @ found


def left_out(people: People, y: np.ndarray) -> np.ndarray:
    """What regressions of y [N, K] on the others say about each person, [N, K]."""
    fold = np.arange(len(y)) % FOLDS
    read = np.zeros_like(y)
    for k in range(FOLDS):
        found, constant = solve(people, y, fold != k)
        read[fold == k] = people.x[fold == k] @ found + constant
    return read


def fit_reader(people: People) -> dict[str, np.ndarray]:
    """The reader's arrays, and what it and the small age network read, on average, from people of given ages.

    Prints the errors on people that were left out of the fit, in turn.
    """
    age, male, small = people.age, people.male, people.small
    y = np.stack([age, 4.0 * male - 2.0], axis=1).astype(np.float32)
    read = left_out(people, y)
    report("fit, left out in turn", read[:, 0], age)
    report("small network", small, age)
    print(f"gender right: {(np.sign(read[:, 1]) == np.sign(y[:, 1])).mean():.1%}")
    found, constant = solve(people, y, np.ones(len(y), bool))
    near = [np.abs(age - truth) <= AROUND for truth in TRUE_AGES]
    both = combine(np.stack([np.clip(read[:, 0], 0, 100), small], axis=1))
    report("combine", both, age)
    medians = [np.median(both[rows]) for rows in near]
    return {
        "reader.mean": people.mean,
        "reader.weight": people.scale[:, None] * found,
        "reader.bias": constant,
        "reader.truth": TRUE_AGES,
        "reader.median": np.maximum.accumulate(medians),
    }


def fit_races(people: People) -> tuple[np.ndarray, np.ndarray]:
    """Scores of RACES, 2 for those who are labelled so and -2 for others: coefficients [F, 3], constants [3].

    They only serve to keep ageing apart from them, and are not shipped. Prints how many are told right of those who
    were left out of the fit, in turn.
    """
    labels = people.race[:, None] == np.array(RACES)
    y = (4.0 * labels - 2.0).astype(np.float32)
    right = ((left_out(people, y) > 0) == labels).mean(axis=0)
    print("races right:", ", ".join(f"{share:.1%}" for share in right))
    found, constant = solve(people, y, people.race >= 0)
    return people.scale[:, None] * found, constant


def report(name: str, read: np.ndarray, age: np.ndarray) -> None:
    """Print the mean error and the bias of readings [N], all in all and by decade."""
    error = read - age
    print(f"{name}: {len(age)} people, {np.abs(error).mean():.2f} years mean error; by decade")
    decades = [error[(age >= low) & (age < low + 10)] for low in range(0, 90, 10)]
    print("  errors", " ".join(f"{np.abs(part).mean():5.1f}" for part in decades))
    print("  bias  ", " ".join(f"{part.mean():5.1f}" for part in decades))
