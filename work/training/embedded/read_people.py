"""Reads photos of people of known ages once, as features of frozen networks, for fitting the age reader.

    python -m work.training.embedded.read_people --people utkface --out people

The files are UTKFace's aligned crops, named AGE_GENDER_RACE_DATE.jpg. At most `--per_decade` of each decade are read,
chosen by a seed. Each is read a second time mirrored and with less detail, because generated faces have less.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from work import runtime
from work.configs.flags import require
from work.datasets.ages import age_in_name
from work.datasets.images import find_images, read_image
from work.datasets.transforms import to_input
from work.errors import run
from work.faces.align import UTKFACE_TEMPLATE, align
from work.loading import load_lpips, load_network
from work.models.age_gender import AgeGenderReader, Backbones
from work.models.face_chip import face_chip
from work.training.arrays import save_arrays

BATCH, CHUNK = 20, 200


def choose(paths: list[Path], per_decade: int, seed: int) -> list[Path]:
    """Choose up to `per_decade` files of each decade, in random order."""
    rng = np.random.default_rng(seed)
    counts: dict[int, int] = {}
    found = []
    for index in rng.permutation(len(paths)):
        decade = int(paths[index].name.split("_")[0]) // 10
        if counts.get(decade, 0) < per_decade:
            counts[decade] = counts.get(decade, 0) + 1
            found.append(paths[index])
    return found


def soften(chips: paddle.Tensor, rng: np.random.Generator) -> paddle.Tensor:
    """Mirror chips [N, 3, S, S], at a random lower resolution and a little lighter or darker."""
    size, small = chips.shape[-1], int(chips.shape[-1] * rng.uniform(0.4, 1.0))
    coarse = F.interpolate(chips.flip(3), size=[small, small], mode="area")
    soft = F.interpolate(coarse, size=[size, size], mode="bilinear")
    return (soft * float(rng.uniform(0.85, 1.15)) + float(rng.uniform(-0.1, 0.1))).clip(-1, 1)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of photos")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per_decade", type=int, default=800)
    parser.add_argument("--count", type=int, default=5200, help="stop after this many")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    runtime.setup("auto", args.seed)
    named = [path for path in find_images(args.people) if age_in_name(path) is not None]
    require(len(named) > 0, f"--people {args.people}: no photo is named as in UTKFace")
    paths = choose(named, args.per_decade, args.seed)[: args.count]
    args.out.mkdir(parents=True, exist_ok=True)
    networks = Backbones(load_network("age_v1"), load_network("dlib_face"), load_lpips())
    reader = AgeGenderReader(networks)
    for start in range(0, len(paths), CHUNK):
        target = args.out / f"people_{start // CHUNK:03d}.npz"
        if not target.exists():
            rng = np.random.default_rng(args.seed + start)
            read = read_chunk(paths[start : start + CHUNK], reader, rng)
            save_arrays(target, **read)
            print(target.name, len(read["age"]), flush=True)
    return 0


@paddle.no_grad()
def read_chunk(paths, reader, rng) -> dict[str, Any]:
    """Features `X` and `XA` (softened) [N, F], and `age`, `male` and `race` (-1 if unknown) [N]."""
    parts: dict[str, list] = {"X": [], "XA": []}
    for start in range(0, len(paths), BATCH):
        images = [read_image(path) for path in paths[start : start + BATCH]]
        crops = [to_input(align(i, UTKFACE_TEMPLATE * i.size).image) for i in images]
        chips = face_chip(paddle.to_tensor(np.stack(crops)))
        parts["X"].append(reader.features(chips).numpy())
        parts["XA"].append(reader.features(soften(chips, rng)).numpy())
    labels = [path.name.split("_") for path in paths]
    return {
        **{name: np.concatenate(part).astype(np.float16) for name, part in parts.items()},
        "age": np.array([float(label[0]) for label in labels]),
        "male": np.array([label[1] == "0" for label in labels]),
        "race": np.array([int(label[2]) if len(label) == 4 else -1 for label in labels]),
    }


if __name__ == "__main__":
    raise SystemExit(run(main))
