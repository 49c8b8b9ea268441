"""Reads rendered pairs and photos once: features for the encoder (plain and augmented) and for the age reader.

    python -m work.training.embedded.read_pairs --pairs pairs --photos ffhq256 --keep_aside 100 --out features

The last `--keep_aside` photos by name are never read.
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
from work.datasets.images import find_images, read_image
from work.errors import run
from work.loading import load_lpips, load_network
from work.models.age_gender import AgeGenderReader, Backbones
from work.models.face_chip import face_chip
from work.models.ridge_encoder import RidgeEncoder
from work.training.arrays import save_arrays
from work.training.embedded.render_pairs import CHUNK

BATCH = 10


def augment(image: paddle.Tensor, rng: np.random.RandomState) -> paddle.Tensor:
    """Make a render [1, 3, 256, 256] look like a photo: misaligned, blurred, tinted, noisy, partly covered."""
    zoom = rng.uniform(0.97, 1.03)
    dx, dy = rng.randint(-5, 6, 2) / 128
    theta = paddle.to_tensor(np.array([[[zoom, 0, dx], [0, zoom, dy]]], np.float32))
    grid = F.affine_grid(theta, image.shape, align_corners=False)
    image = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    if rng.rand() < 0.5:
        coarse = F.avg_pool2d(image, int(rng.choice([2, 3])))
        image = F.interpolate(coarse, size=[256, 256], mode="bilinear")
    tint = rng.uniform(-0.05, 0.05, (1, 3, 1, 1)).astype(np.float32)
    image = image * float(rng.uniform(0.85, 1.15)) + float(rng.uniform(-0.1, 0.1))
    noise = (rng.uniform(0, 0.06) * rng.standard_normal((1, 3, 256, 256))).astype(np.float32)
    image = image + paddle.to_tensor(tint) + paddle.to_tensor(noise)
    if rng.rand() < 0.3:
        top, side, left = rng.randint(0, 200), rng.randint(30, 90), rng.randint(0, 200)
        image = image.clone()
        image[:, :, top : top + side, left : left + side] = float(rng.uniform(-1, 1))
    return image.clip(-1, 1)


def as_batch(pictures) -> paddle.Tensor:
    """Turn uint8 pictures [N, 256, 256, 3] into a batch [N, 3, 256, 256] in [-1, 1]."""
    return paddle.to_tensor(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


class Reader:
    """The networks whose features are read."""

    def __init__(self) -> None:
        lpips = load_lpips()
        self.encoder = RidgeEncoder(lpips, rank=1)
        identity = load_network("dlib_face")
        self.people = AgeGenderReader(Backbones(load_network("age_v1"), identity, lpips))

    def read(self, pictures, rng=None) -> dict[str, Any]:
        """Features `X` of uint8 pictures; with `rng` also `XA` of augmented ones and `C` of face chips."""
        found: dict[str, list] = {"X": [], "XA": [], "C": []}
        for start in range(0, len(pictures), BATCH):
            batch = as_batch(pictures[start : start + BATCH])
            found["X"].append(self.encoder.features(batch).numpy())
            if rng is not None:
                changed = paddle.concat([augment(batch[i : i + 1], rng) for i in range(len(batch))])
                found["XA"].append(self.encoder.features(changed).numpy())
                found["C"].append(self.people.features(face_chip(batch)).numpy())
        return {n: np.concatenate(v).astype(np.float16) for n, v in found.items() if v}


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True, help="FFHQ-aligned photos of 256 px")
    parser.add_argument("--keep_aside", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    runtime.setup("auto", 0)
    args.out.mkdir(parents=True, exist_ok=True)
    reader = Reader()
    with paddle.no_grad():
        for path in sorted(args.pairs.glob("chunk_*.npz")):
            target = args.out / path.name
            if not target.exists():
                strip = np.asarray(read_image(path.with_suffix(".jpg")))
                strip = strip.reshape(CHUNK, 256, 256, 3)
                rng = np.random.RandomState(int(path.stem[-4:]))
                save_arrays(target, **reader.read(strip, rng))
        if not (args.out / "photos.npz").exists():
            paths = find_images(args.photos)
            more = f"--photos {args.photos}: more than {args.keep_aside} photos are needed"
            require(len(paths) > args.keep_aside, more)
            paths = paths[: len(paths) - args.keep_aside]
            pictures = [np.asarray(read_image(p)) for p in paths]
            save_arrays(args.out / "photos.npz", **reader.read(pictures))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
