"""Fits the table of nominal ages to photos that the re-ageing network aged, and writes it to the network's file.

    python -m work.training.reaging.fit_nominal --checkpoint_path RUN --photos FFHQ256 [--count 120]

Each photo is aged along a ladder of nominal ages, and the package's own readers say how old it looks on each rung. For
each own age, a local linear fit over people of about that age gives one curve of readings, which is then inverted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import paddle.nn.functional as F

from work import runtime
from work.datasets.images import find_images
from work.errors import UserError, run
from work.faces.aligned import read_aligned
from work.files import atomic_write
from work.inference.direct import SIZE, SMALL, DirectModel, load_direct
from work.models.reaging.nominal import YOUNGEST, NominalAges
from work.models.reaging.shipped import add_nominal
from work.progress import progress

OWN = np.arange(15.0, 76.0, 5.0)  # rows and columns of the table, years
WANTED = np.arange(15.0, 86.0, 5.0)
RUNGS = np.array([-10.0, 0.0, *range(15, 86, 5), 95.0, 110.0])  # nominal years
# Least nominal years between two columns: later ages look older even where the readings no longer rise.
STEP = 2.5
WIDTH = 6.0  # years: deviation of the Gaussian that weights people by how near their age is


def read_ladder(model: DirectModel, path: Path) -> tuple[float, list[float]]:
    """A photo's own age, and how old it looks on each rung [R], in years."""
    [face] = model.encode([read_aligned(path)])
    pictures = [F.avg_pool2d(model.draw(face, float(rung)), SIZE // SMALL) for rung in RUNGS]
    return face.age, [model.read_age(picture) for picture in pictures]


def mean_reading(own: np.ndarray, readings: np.ndarray, age: float, width: float) -> np.ndarray:
    """The readings of people of `age`: a linear fit to all N people, with Gaussian weights `width` years wide."""
    bell = np.exp(-(((own - age) / width) ** 2) / 2)
    line = np.polynomial.polynomial.polyfit(own - age, readings, 1, w=np.sqrt(bell))
    return np.asarray(line[0])


def fit_nominal(own: np.ndarray, readings: np.ndarray) -> NominalAges:
    """The table, from own ages [N] and readings [N, R] on the rungs."""
    asked = []
    for age in OWN:
        curve = np.maximum.accumulate(mean_reading(own, readings, float(age), WIDTH))
        rising = curve + 1e-6 * np.arange(len(RUNGS))  # what stands still is crossed at once
        asked.append(np.interp(WANTED, rising, RUNGS))
    steps = STEP * np.arange(len(WANTED))
    spread = np.maximum.accumulate(np.array(asked) - steps, axis=1) + steps
    return NominalAges(OWN, WANTED, np.minimum(spread, RUNGS[-1] - steps[::-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint_path", type=Path, required=True, help="a run, or its file")
    parser.add_argument("--photos", type=Path, required=True, help="aligned faces")
    parser.add_argument("--count", type=int, default=120, help="photos that are read")
    parser.add_argument(
        "--ladders", type=Path, help="what was read of this network is kept in this JSON file"
    )
    options = parser.parse_args()
    runtime.setup("auto", 0)
    model = load_direct(options.checkpoint_path)
    paths = find_images(options.photos)
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, options.count).astype(int)]
    file = options.ladders
    known = json.loads(file.read_text()) if file and file.exists() else {}
    names = {path: path.relative_to(options.photos).as_posix() for path in chosen}
    for path, name in progress(names.items(), len(names), unit="photo"):
        if name not in known:
            known[name] = read_ladder(model, path)
            if file:
                with atomic_write(file) as temporary:
                    temporary.write_text(json.dumps(known))
    adults = [known[name] for name in names.values() if known[name][0] >= YOUNGEST]
    if len(adults) < 2:
        raise UserError(f"{options.photos}: two photos of people from {YOUNGEST:.0f} years on")
    own, readings = np.array([a for a, _ in adults]), np.array([row for _, row in adults])
    table = fit_nominal(own, readings)
    print(f"{len(adults)} photos; nominal ages for {', '.join(f'{age:.0f}' for age in WANTED)}:")
    for age, row in zip(OWN, table.asked):
        print(f"{age:3.0f}:", " ".join(f"{nominal:5.1f}" for nominal in row))
    print(add_nominal(options.checkpoint_path, table))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
