"""How well the embedded model estimates a person's age from a photo: errors on UTKFace photos not used to fit it.

    python benchmarks/photo_ages.py --people UTKFACE                       # docs/embedded.md, "The age of a photo"

Photos that the reader was fitted to are left out. One half of the others was used to choose the estimate; the other
half is measured here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work import runtime
from work.configs.flags import require
from work.datasets.images import find_images, read_image
from work.errors import run
from work.faces.align import UTKFACE_TEMPLATE, align
from work.faces.aligned import AlignedFace
from work.inference.embedded.model import load_embedded
from work.inference.embedded.readings import Readings
from work.progress import progress
from work.training.embedded.fit_reader import OLDEST
from work.training.embedded.read_people import choose

FITTED = {
    "per_decade": 800,
    "count": 5200,
    "seed": 0,
}  # what read_people chose for the shipped file
EDGES = (0, 3, *range(10, 90, 10), 96)  # of the age bands, years
COLUMNS = ("now", "before", "now, in grey", "before, in grey")


def age_of(path: Path) -> float:
    """The age in a name of UTKFace, AGE_GENDER_RACE_DATE.jpg."""
    return float(path.name.split("_")[0])


def held_out(paths: list[Path], per_decade: int) -> list[Path]:
    """Photos used neither to fit the reader nor to choose the estimate (half of the rest), balanced by decade."""
    fitted = set(choose(paths, FITTED["per_decade"], FITTED["seed"])[: FITTED["count"]])
    rest = [path for path in paths if path not in fitted and age_of(path) <= OLDEST]
    order = np.random.default_rng(1).permutation(len(rest))
    return choose(sorted(rest[i] for i in order[len(rest) // 2 :]), per_decade, 0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of UTKFace's crops")
    parser.add_argument("--per_decade", type=int, default=100)
    args = parser.parse_args(argv)
    runtime.setup("cpu", 0)
    paths = held_out(find_images(args.people), args.per_decade)
    require(len(paths) > 0, f"--people {args.people}: every photo had a part in the reader")
    model = load_embedded(0)

    def estimates(photo) -> tuple[float, float]:
        face = AlignedFace(photo).tensor()
        readings = Readings(model.reader, face, face, composites=True)
        before = model.aims.age(readings.start.reading)
        return model.aims.person(readings.photo_reading), before

    found = []
    for path in progress(paths, unit="photo"):
        photo = read_image(path)
        photo = align(photo, UTKFACE_TEMPLATE * photo.size).image
        found.append([*estimates(photo), *estimates(photo.convert("L").convert("RGB"))])
    report(np.array([age_of(path) for path in paths]), np.array(found))
    return 0


def report(ages: np.ndarray, found: np.ndarray) -> None:
    """Print error and bias by band, and how many at 42 to 59 are taken for 15 years younger, per column of `found`."""
    bands = [(ages >= low) & (ages < high) for low, high in zip(EDGES, EDGES[1:])]
    bands = [band for band in bands if band.any()]
    middle = (ages >= 42) & (ages < 60)
    print(f"{len(ages)} people")
    for name, estimate in zip(COLUMNS, found.T):
        error = estimate - ages
        mean = np.mean([np.abs(error[band]).mean() for band in bands])
        biases = ", ".join(f"{error[band].mean():.1f}" for band in bands)
        young = (error[middle] < -15).mean()
        print(f"{name}: error {mean:.1f}; bias {biases}; 15 years too young {young:.1%}")


if __name__ == "__main__":
    raise SystemExit(run(main))
