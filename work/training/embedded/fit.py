"""Fits what the embedded ageing model ships: whitening, the linear encoder, the age reader, the age path.

    python -m work.training.embedded.fit --pairs pairs --features features --people people

Everything is in closed form (ridge regressions), so the same pairs give the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from convert_weights.openvino_ir import mapped_samples
from work.errors import UserError, run
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.pretrained import PACKAGE_FOLDER, weights_path
from work.training.embedded.fit_encoder import fit_and_check_encoder, grouped
from work.training.embedded.fit_path import fit_age_path, glasses_scores, redness
from work.training.embedded.fit_reader import fit_races, fit_reader, load_people
from work.training.whitening import whitening

COARSE = 13  # styles up to 64 px, whose mean tells age and gender best


def load_pairs(pairs: Path, features: Path) -> dict:
    """Codes [N, N_STYLES, 512], features X, XA and C [N, F] and the chunks' names."""
    names = [path.name for path in sorted(features.glob("chunk_*.npz"))]
    if not names:
        raise UserError(f"--features {features}: holds no chunk_*.npz; run read_pairs first")
    read = [np.load(features / name) for name in names]
    joined = {k: np.concatenate([part[k] for part in read]) for k in ("X", "XA", "C")}
    codes = np.concatenate([np.load(pairs / name)["codes"] for name in names])
    joined = {name: value.astype(np.float32) for name, value in joined.items()}
    return {**joined, "codes": codes.astype(np.float32), "names": names}


def save_fitted(path: Path, fitted: dict) -> None:
    """Write fitted arrays, large ones in float16."""
    arrays = {name: np.asarray(value, np.float32) for name, value in fitted.items()}
    stored = {n: v.astype(np.float16) if v.size > 1000 else v for n, v in arrays.items()}
    save_checkpoint(path, "embedded", stored)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=PACKAGE_FOLDER / "embedded.pdparams")
    parser.add_argument("--rank", type=int, default=256)
    parser.add_argument("--penalty", type=float, default=1.0)
    args = parser.parse_args(argv)
    generator = read_checkpoint(weights_path("mobile_stylegan"))
    mean = np.asarray(generator.latent_avg)
    scatter = whitening(mapped_samples(generator.state_dict, count=10000, seed=1000))
    pairs = load_pairs(args.pairs, args.features)
    white = (pairs["codes"] - mean) @ np.linalg.inv(scatter)
    coarse = white[:, :COARSE].mean(axis=1)
    people = load_people(args.people)
    fitted = fit_reader(people)
    read = (pairs["C"] - fitted["reader.mean"]) @ fitted["reader.weight"] + fitted["reader.bias"]
    ages, genders = np.clip(read[:, 0], 0, 100), read[:, 1]
    races, constant = fit_races(people)
    looks = (pairs["C"] - people.mean) @ races + constant
    others = [glasses_scores(pairs["X"], pairs["names"]), redness(pairs["X"]), *looks.T]
    fitted.update(fit_age_path(coarse, ages, genders, others, scatter))
    photos = np.load(args.features / "photos.npz")["X"].astype(np.float32)
    fitted.update(fit_and_check_encoder(pairs, grouped(white), photos, scatter, args))
    fitted.update({"mean": mean, "scatter": scatter})
    save_fitted(args.out, fitted)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
