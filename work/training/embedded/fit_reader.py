"""Fit the reader of ages and genders to photos of people of known ages, which `read_people` has read.

Everything is in closed form, so the same features give the same reader.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle

from work.errors import UserError
from work.models.age_gender import COUNTS, combined, small_network_years

PENALTY = 3.0
FOLDS = 5
OLDEST = 95.0  # years; labels above are rare, and mostly wrong
# True ages at which the medians of readings are kept, and how far around each they are taken
TRUE_AGES = np.array(
    [1, 4, 8, 12, 16, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 86, 92.0]
)
AROUND = 3.0


def feature_scale(x: np.ndarray) -> np.ndarray:
    """A scale per feature that gives each network the same weight."""
    share = np.concatenate([np.full(n, 1 / np.sqrt(n)) for n in COUNTS])
    return (share / (x.std(0) + 1e-2)).astype(np.float32)


def solve(x: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: float):
    """Weighted ridge regression of y [N, 2] on x [N, F]: coefficients [F, 2] and constants [2]."""
    share = weight[:, None] / weight.sum()
    mean_x, mean_y = (share * x).sum(0), (share * y).sum(0)
    root = np.sqrt(weight / weight.mean())[:, None].astype(np.float32)
    xs, ys = (x - mean_x) * root, (y - mean_y) * root
    gram = xs @ xs.T
    gram[np.diag_indices_from(gram)] += penalty
    found = xs.T @ np.linalg.solve(gram, ys)
    return found, mean_y - mean_x @ found


def fit_reader(folder: Path) -> dict[str, np.ndarray]:
    """The reader's arrays, and what it and the small age network read, on average, from people of given ages.

    Prints the errors on people that were left out of the fit, in turn.

    Raises:
        UserError: `folder` holds no people.
    """
    parts = [np.load(path) for path in sorted(folder.glob("people_*.npz"))]
    if not parts:
        raise UserError(f"--people {folder}: holds no people_*.npz; run read_people first")
    joined = {n: np.concatenate([part[n] for part in parts]) for n in ("X", "XA", "age", "male")}
    right = joined["age"] <= OLDEST
    age, male = joined["age"][right], joined["male"][right]
    x, soft = (joined[n][right].astype(np.float32) for n in ("X", "XA"))
    small = small_network_years(paddle.to_tensor(x)).numpy()
    mean, scale = x.mean(0), feature_scale(x)
    x, soft = (x - mean) * scale, (soft - mean) * scale
    y = np.stack([age, 4.0 * male - 2.0], axis=1).astype(np.float32)
    fold = np.arange(len(y)) % FOLDS
    read = np.zeros_like(y)
    for k in range(FOLDS):
        known = fold != k
        found, constant = solve(*twice(x, soft, y, known), PENALTY)
        read[~known] = x[~known] @ found + constant
    report("fit, left out in turn", read[:, 0], age)
    report("small network", small, age)
    print(f"gender right: {(np.sign(read[:, 1]) == np.sign(y[:, 1])).mean():.1%}")
    found, constant = solve(*twice(x, soft, y, fold >= 0), PENALTY)
    near = [np.abs(age - truth) <= AROUND for truth in TRUE_AGES]
    both = combined(np.stack([np.clip(read[:, 0], 0, 100), small], axis=1))
    report("combined", both, age)
    medians = [np.median(both[rows]) for rows in near]
    return {
        "reader.mean": mean,
        "reader.weight": scale[:, None] * found,
        "reader.bias": constant,
        "reader.truth": TRUE_AGES,
        "reader.median": np.maximum.accumulate(medians),
    }


def twice(x: np.ndarray, soft: np.ndarray, y: np.ndarray, rows: np.ndarray):
    """Both looks at the chosen people, with weights that make every age count about as much."""
    counts, _ = np.histogram(y[rows, 0], bins=np.arange(0, OLDEST + 10, 5))
    weight = 1 / np.sqrt(counts[(y[rows, 0] // 5).astype(int)])
    return np.concatenate([x[rows], soft[rows]]), np.tile(y[rows], (2, 1)), np.tile(weight, 2)


def report(name: str, read: np.ndarray, age: np.ndarray) -> None:
    """Print the mean error and the bias of readings [N], all in all and by decade."""
    error = read - age
    print(f"{name}: {len(age)} people, {np.abs(error).mean():.2f} years mean error; by decade")
    decades = [error[(age >= low) & (age < low + 10)] for low in range(0, 90, 10)]
    print("  errors", " ".join(f"{np.abs(part).mean():5.1f}" for part in decades))
    print("  bias  ", " ".join(f"{part.mean():5.1f}" for part in decades))
