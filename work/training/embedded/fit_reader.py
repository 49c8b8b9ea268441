"""Fits linear readers of ages, genders and races to the photos of people of known ages that `read_people` has read.

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
OLDEST = 95.0  # years; labels above this are rare and mostly wrong
# The true ages at which medians of readings are kept, and how many years around each count
TRUE_AGES = np.array(
    [1, 4, 8, 12, 16, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 86, 92.0]
)
AROUND = 3.0

# UTKFace's labels for Black, Asian and Indian people; 0 is white, 4 is everyone else
RACES = 1, 2, 3


class People(NamedTuple):
    """Scaled features [N, F] of people, plain and softened, and their labels [N]."""

    x: np.ndarray
    soft: np.ndarray
    age: np.ndarray
    male: np.ndarray
    race: np.ndarray
    small: np.ndarray  # the years that the small age network reads
    mean: np.ndarray  # [F], subtracted from the features before they were multiplied by `scale`
    scale: np.ndarray


def load_people(folder: Path) -> People:
    """Load what `read_people` wrote, without people whose age is doubtful.

    Raises:
        UserError: `folder` holds no people.
    """
    parts = [np.load(path) for path in sorted(folder.glob("people_*.npz"))]
    if not parts:
        raise UserError(f"--people {folder}: holds no people_*.npz; run read_people first")
    names = ("X", "XA", "age", "male", "race")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    x, soft, age, male, race = (joined[name][joined["age"] <= OLDEST] for name in names)
    x, soft = x.astype(np.float32), soft.astype(np.float32)
    mean, scale = x.mean(0), feature_scale(x)
    small = small_network_years(paddle.to_tensor(x)).numpy()
    scaled, scaled_soft = (x - mean) * scale, (soft - mean) * scale
    return People(scaled, scaled_soft, age, male, race, small, mean, scale)


def feature_scale(x: np.ndarray) -> np.ndarray:
    """A scale for each feature that gives every network the same weight."""
    share = np.concatenate([np.full(n, 1 / np.sqrt(n)) for n in COUNTS])
    return (share / (x.std(0) + 1e-2)).astype(np.float32)


def solve(people: People, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of y [N, K] on plain and softened features: coefficients [F, K] and constants [K].

    Weights let every age count about equally.

    Args:
        rows: which people to use.
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


def cross_validate(people: People, y: np.ndarray) -> np.ndarray:
    """Predict y [N, K] for each person by regressions that did not see that person."""
    fold = np.arange(len(y)) % FOLDS
    read = np.zeros_like(y)
    for k in range(FOLDS):
        found, constant = solve(people, y, fold != k)
        read[fold == k] = people.x[fold == k] @ found + constant
    return read


def fit_reader(people: People) -> dict[str, np.ndarray]:
    """The reader's arrays, and the median reading of it and the small age network at given true ages.

    Prints cross-validated errors.
    """
    age, male, small = people.age, people.male, people.small
    y = np.stack([age, 4.0 * male - 2.0], axis=1).astype(np.float32)
    read = cross_validate(people, y)
    report("fit, cross-validated", read[:, 0], age)
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
    """Linear scores of RACES, 2 for people with that label and -2 for others: coefficients [F, 3], constants [3].

    They only serve to keep races out of the age path, and are not shipped. Prints the cross-validated accuracy.
    """
    labels = people.race[:, None] == np.array(RACES)
    y = (4.0 * labels - 2.0).astype(np.float32)
    right = ((cross_validate(people, y) > 0) == labels).mean(axis=0)
    print("races right:", ", ".join(f"{share:.1%}" for share in right))
    found, constant = solve(people, y, people.race >= 0)
    return people.scale[:, None] * found, constant


def report(name: str, read: np.ndarray, age: np.ndarray) -> None:
    """Print the mean error of readings [N], and error and bias by decade."""
    error = read - age
    print(f"{name}: {len(age)} people, {np.abs(error).mean():.2f} years mean error; by decade")
    decades = [error[(age >= low) & (age < low + 10)] for low in range(0, 90, 10)]
    print("  errors", " ".join(f"{np.abs(part).mean():5.1f}" for part in decades))
    print("  bias  ", " ".join(f"{part.mean():5.1f}" for part in decades))
