"""Evaluate the baselines on people left out of training, with an age reader that no training has used.

    python benchmarks/baselines.py fit --faces utkface64/train --judge judge.npz
    python benchmarks/baselines.py measure --faces utkface64/test --judge judge.npz --checkpoint_path exp/fgan

The reader is linear in features of dlib's face network and of AlexNet, and fitted to faces of known ages at the
generators' resolution. FA-GAN learned from age_v1, which the reader does not use. Faces are UTKFace's crops as
`prepare_data.py` writes them. Identity is dlib's distance; below 0.6 two pictures count as the same person.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
import paddle
import paddle.nn.functional as F

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work import runtime
from work.datasets.ages import read_ages
from work.datasets.images import find_images, read_image
from work.datasets.transforms import to_input
from work.errors import run
from work.files import atomic_write
from work.loading import load_lpips, load_network
from work.models.cyclegan.generators import FA, load_generator, read_generators
from work.progress import progress

CHIP = 176  # px at which the networks see a face, whatever its own size
MAPS = 4  # px to which AlexNet's maps are averaged
PENALTY = 3.0
SAME_PERSON = 0.6
BATCH = 25


class Reader(NamedTuple):
    """Years = (features - mean) @ weight + bias."""

    mean: np.ndarray
    weight: np.ndarray
    bias: float

    def years(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) @ self.weight + self.bias).clip(0, 100)


class Networks:
    """dlib's face network and AlexNet."""

    def __init__(self) -> None:
        self.identity, self.lpips = load_network("dlib_face"), load_lpips()

    @paddle.no_grad()
    def look(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Faces [N, 3, s, s] in [-1, 1] -> features [N, F] and dlib's embeddings [N, 128]."""
        features, embeddings = [], []
        for start in range(0, len(faces), BATCH):
            x = paddle.to_tensor(faces[start : start + BATCH])
            x = F.interpolate(x.clip(-1, 1), size=[CHIP, CHIP], mode="bicubic")
            maps = self.lpips.net((x - self.lpips.shift) / self.lpips.scale)
            averages = [F.adaptive_avg_pool2d(maps[i], MAPS).flatten(1) for i in (2, 4)]
            person = self.identity.pooled(x)
            features.append(paddle.concat([person, *averages], axis=1).numpy())
            embeddings.append(self.identity.head(person).numpy())
        return np.concatenate(features), np.concatenate(embeddings)


def read_faces(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Faces [N, 3, s, s] in [-1, 1] and ages [N] of a folder; those of unknown age are left out."""
    paths = find_images(folder)
    ages = read_ages(folder, paths)
    known = [path for path, age in zip(paths, ages) if age == age]
    images = [read_image(path) for path in known]
    faces = np.stack([to_input(image, image.width) for image in images])
    return faces, ages[~np.isnan(ages)]


def softened(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The faces mirrored, a little less sharp, lighter or darker, as generated ones may be."""
    x = paddle.to_tensor(np.ascontiguousarray(faces[:, :, :, ::-1]))
    small = int(x.shape[-1] * rng.uniform(0.5, 1.0))
    x = F.interpolate(F.interpolate(x, size=[small] * 2, mode="area"), size=x.shape[2:])
    return (x * float(rng.uniform(0.85, 1.15)) + float(rng.uniform(-0.1, 0.1))).clip(-1, 1).numpy()


def fit(args: argparse.Namespace) -> int:
    """Fit the reader to at most `--per_decade` faces of each decade and write it."""
    faces, ages = read_faces(args.faces)
    rng, decades = np.random.default_rng(0), np.minimum(ages // 10, 9)
    drawn = [rng.permutation(np.flatnonzero(decades == d))[: args.per_decade] for d in range(10)]
    chosen = rng.permutation(np.concatenate(drawn))
    networks, rows, years = Networks(), [], []
    for part in progress(np.array_split(chosen, max(1, len(chosen) // 100))):
        for looked in (faces[part], softened(faces[part], rng)):
            rows.append(networks.look(looked)[0])
            years.append(ages[part])
    reader = ridge(np.concatenate(rows), np.concatenate(years))
    with atomic_write(args.judge) as path, open(path, "wb") as file:
        np.savez(file, mean=reader.mean, weight=reader.weight, bias=reader.bias)
    print(f"fitted to {len(chosen)} faces, each seen twice")
    return 0


def ridge(x: np.ndarray, y: np.ndarray) -> Reader:
    """Ridge regression of y [N] on x [N, F], features of the same spread and decades of the same weight."""
    mean, scale = x.mean(0), 1 / (x.std(0) + 1e-2) / np.sqrt(x.shape[1])
    x = (x - mean) * scale
    decades = np.minimum(y // 10, 9).astype(int)
    weight = 1 / np.sqrt(np.bincount(decades, minlength=10)[decades])
    weight /= weight.mean()
    share = weight / weight.sum()
    offset_x, offset_y, root = share @ x, share @ y, np.sqrt(weight)
    xs, ys = (x - offset_x) * root[:, None], (y - offset_y) * root
    gram = xs @ xs.T
    gram[np.diag_indices_from(gram)] += PENALTY * np.trace(gram) / len(gram) / 100
    found = xs.T @ np.linalg.solve(gram, ys)
    return Reader(mean, scale * found, float(offset_y - offset_x @ found))


def measure(args: argparse.Namespace) -> int:
    """Print the reader's error, and for each change how far faces moved and who is still the same person."""
    saved, networks = np.load(args.judge), Networks()
    reader = Reader(saved["mean"], saved["weight"], float(saved["bias"]))
    faces, ages = read_faces(args.faces)
    features, people = networks.look(faces)
    before = reader.years(features)
    error = before - ages
    print(
        f"the reader on {len(ages)} faces: {np.abs(error).mean():.1f} years mean error, bias {error.mean():+.1f}"
    )
    checkpoint = read_generators(args.checkpoint_path)
    small = load_network("age_v1")
    told = predict(small, faces)
    print("| network | faces | right way | shift, years | age_v1's shift | one person | distance |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run_name, direction, years, low, high in changes(checkpoint.opts["runs"]):
        mine = np.flatnonzero((ages >= low) & (ages < high))[: args.count]
        net = load_generator(checkpoint, run_name, direction, args.checkpoint_path)
        made = apply(net, faces[mine], told[mine], years)
        features, embeddings = networks.look(made)
        sign = 1 if direction == "older" else -1
        shift = reader.years(features) - before[mine]
        small_shift = predict(small, made) - told[mine]
        apart = np.linalg.norm(embeddings - people[mine], axis=1)
        name = run_name if years is None else f"{run_name} {years:+d}"
        print(
            f"| {name}, {direction}, from {low} to {high} | {len(mine)} | {(sign * shift > 0).mean():.0%} "
            f"| {shift.mean():+.1f} | {small_shift.mean():+.1f} | {(apart < SAME_PERSON).mean():.0%} "
            f"| {apart.mean():.2f} |"
        )
    return 0


def changes(runs: list[str]) -> list[tuple[str, str, Optional[int], int, int]]:
    """What is measured: run, direction, years (FA-GAN), and whose ages [from, to) are changed."""
    found: list[tuple[str, str, Optional[int], int, int]] = []
    for name in runs:
        if name == FA:
            found += [(FA, "older", k, 20, 40) for k in (10, 20, 40)]
            found += [(FA, "younger", -k, 40, 86) for k in (10, 20, 40)]
            continue
        (young_low, young_high), (old_low, old_high) = (edges(part) for part in name.split("_"))
        found.append((name, "older", None, young_low, young_high))
        found.append((name, "younger", None, old_low, old_high))
    return found


def edges(group: str) -> tuple[int, int]:
    """ "20-40" -> (20, 40), "60+" -> (60, 86); labels above are rare and mostly wrong."""
    low, _, high = group.rstrip("+").partition("-")
    return int(low), int(high or 86)


@paddle.no_grad()
def apply(net: Any, faces: np.ndarray, ages: np.ndarray, years: Optional[int]) -> np.ndarray:
    """Faces through a generator, [N, 3, s, s] clipped to [-1, 1]; `ages` and `years` are for FA-GAN."""
    made = []
    for start in range(0, len(faces), BATCH):
        x = paddle.to_tensor(faces[start : start + BATCH])
        told = paddle.to_tensor(ages[start : start + BATCH])
        y = net(x) if years is None else net(x, told, paddle.full_like(told, years))
        made.append(y.clip(-1, 1).numpy())
    return np.concatenate(made)


@paddle.no_grad()
def predict(small: Any, faces: np.ndarray) -> np.ndarray:
    """What age_v1 reads, years [N]."""
    parts = [faces[start : start + BATCH] for start in range(0, len(faces), BATCH)]
    return np.concatenate([small.predict_chip_age(paddle.to_tensor(p)).numpy() for p in parts])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task", choices=("fit", "measure"))
    parser.add_argument("--faces", type=Path, required=True, help="of known ages, all of one size")
    parser.add_argument("--judge", type=Path, required=True, help="the reader, .npz")
    parser.add_argument("--per_decade", type=int, default=450)
    parser.add_argument(
        "--checkpoint_path", type=Path, help="generators, or the folder of the runs"
    )
    parser.add_argument("--count", type=int, default=200, help="faces for each change, at most")
    args = parser.parse_args(argv)
    runtime.setup("cpu", 0)
    return fit(args) if args.task == "fit" else measure(args)


if __name__ == "__main__":
    sys.exit(run(main))
