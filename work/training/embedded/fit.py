"""Fit what the embedded ageing model ships: whitening, the linear encoder, the age path.

    python -m work.training.embedded.fit --pairs pairs --features features --people people

Everything is in closed form (ridge regressions), so the same pairs give the same file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert_weights.openvino_ir import mapped_samples
from work.errors import UserError, run
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.pretrained import PACKAGE_FOLDER, weights_path
from work.models.ridge_encoder import CONV2, CONV3, GROUPS, PIXELS
from work.training.embedded.fit_reader import fit_reader
from work.training.embedded.render_pairs import CHUNK, whitening

LABELS = Path(__file__).with_name("glasses.json")
COARSE = 13  # styles up to 64 px, whose mean tells age and gender best
ZONES = (10.0, 25.0, 40.0, 60.0)  # years around which a direction of its own is fitted
ZONE_WIDTH = 12.0
PENALTY = 400.0  # of the ridge regressions of ages, genders and glasses
NOMINAL = np.arange(-120.0, 241.0, 10.0)  # what the path is sampled at


def ridge(x: np.ndarray, y: np.ndarray, penalty: np.ndarray, weight=None) -> np.ndarray:
    """Weighted ridge regression of y [N] on x [N, D], with a penalty per coefficient: coefficients [D]."""
    weight = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(weight)
    xs = (x - (weight[:, None] * x).sum(0) / weight.sum()) * root[:, None]
    ys = (y - (weight * y).sum() / weight.sum()) * root
    return np.linalg.solve(xs.T @ xs + np.diag(penalty), xs.T @ ys)


def glasses_scores(features: np.ndarray, names: list[str]) -> np.ndarray:
    """How much each render [N, F] looks like it wears glasses: learned from hand-labelled chunks.

    `glasses.json` lists the wearers by chunk; the classifier ranks held-out renders with an AUC of 0.99.
    """
    labels = json.loads(LABELS.read_text())
    truth, rows = [], []
    for index, name in enumerate(names):
        wearers = labels.get(str(int(Path(name).stem[-4:])))
        if wearers is not None:
            rows.append(np.arange(index * CHUNK, (index + 1) * CHUNK))
            truth.append(np.isin(np.arange(CHUNK), wearers).astype(np.float32))
    mean, scale = feature_scale(features)
    x, y = (features - mean) * scale, np.concatenate(truth)
    known = x[np.concatenate(rows)]
    dual = np.linalg.solve(known @ known.T + 0.3 * np.eye(len(y)), y - y.mean())
    return x @ (known.T @ dual) + y.mean()


def redness(features: np.ndarray) -> np.ndarray:
    """How red the inner face is, [N], from features [N, F]: red less the mean of green and blue."""
    pixels = features[:, -3 * PIXELS**2 :].reshape(-1, 3, PIXELS, PIXELS)
    red, green, blue = pixels[:, :, 7:13, 5:11].mean(axis=(2, 3)).T
    return red - (green + blue) / 2


def fit_age_path(white: np.ndarray, ages, genders, others: Sequence, scatter: np.ndarray):
    """A curve through whitened codes [N, 512] along which `ages` rise but neither `genders` nor `others` do.

    In each zone the direction is that of a local ridge regression, made orthogonal to the directions of
    gender and of the others (glasses, redness), there and overall; between zones it turns linearly. Returns
    arrays in units of w.
    """
    # Directions of little variance in w are penalised more: held-out correlation with age rises from 0.71 to 0.80.
    variance = (scatter**2).sum(axis=1)
    penalty = PENALTY * variance.mean() / variance
    gender = ridge(white, genders, penalty)
    fixed = [gender, *(ridge(white, other, penalty) for other in others)]
    axes, speeds = [], []
    for zone in ZONES:
        weight = np.exp(-0.5 * ((ages - zone) / ZONE_WIDTH) ** 2)
        weight = weight / weight.mean()
        local = ridge(white, ages, penalty, weight)
        there = [ridge(white, other, penalty, weight) for other in (genders, *others)]
        basis = np.linalg.qr(np.stack(fixed + there, axis=1))[0]
        local = local - basis @ (basis.T @ local)
        axes.append(local / np.linalg.norm(local))
        speeds.append(np.linalg.norm(local))
    overall = np.linalg.norm(ridge(white, ages, penalty))
    turned = np.stack(
        [np.interp(NOMINAL, ZONES, column) for column in np.stack(axes, axis=1)], axis=1
    )
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    steps = np.diff(NOMINAL)[:, None] / overall * (turned[1:] + turned[:-1]) / 2
    curve = np.concatenate([np.zeros((1, white.shape[1])), np.cumsum(steps, axis=0)])
    curve -= curve[np.searchsorted(NOMINAL, 30.0)]
    length = np.linalg.norm(gender)
    print("years per deviation, by zone:", np.round(speeds, 1), "overall", round(float(overall), 1))
    return {
        "path.ages": NOMINAL,
        "path.points": curve @ scatter,
        "path.gender": gender / length @ scatter,
        "path.gender_step": np.array([length]),
    }


def feature_scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of every feature, and a scale that gives each group of features the same weight."""
    counts = [192 * CONV2**2, 384 * CONV3**2, 3 * PIXELS**2]
    share = np.concatenate([np.full(n, 1 / np.sqrt(n)) for n in counts])
    return x.mean(0), (share / (x.std(0) + 1e-3)).astype(np.float32)


def fit_encoder(
    features,
    targets: np.ndarray,
    photos: np.ndarray,
    scatter: np.ndarray,
    rank: int,
    penalty: float,
):
    """Reduced-rank ridge from features to grouped whitened codes [N, 3 * 512].

    Renders and photos are normalised by their own means and deviations, which takes away what
    distinguishes them as a whole. The rank is spent where errors in w are largest.
    """
    plain, augmented = features
    mean, scale = feature_scale(plain)
    x = np.concatenate([(plain - mean) * scale, (augmented - mean) * scale])
    y = np.concatenate([targets, targets])
    centre = y.mean(0)
    gram = (x @ x.T).astype(np.float64)
    gram[np.diag_indices_from(gram)] += penalty
    dual = np.linalg.solve(gram, y - centre)
    weights = x.T @ dual.astype(np.float32)
    metric = np.repeat(np.linalg.norm(scatter, axis=1)[None], len(GROUPS), axis=0).reshape(-1)
    fitted = (x @ weights) * metric
    _, axes = np.linalg.eigh(fitted.T @ fitted)
    axes = axes[:, ::-1][:, :rank].astype(np.float32)
    photo_mean, photo_scale = feature_scale(photos)
    return {
        "encoder.mean": photo_mean,
        "encoder.scale": photo_scale,
        "encoder.reduce": (weights * metric) @ axes,
        "encoder.expand": (axes / metric[:, None]).T,
        "encoder.bias": centre,
    }


def grouped(white: np.ndarray) -> np.ndarray:
    """Codes [N, 23, 512] -> their means over the three groups of styles, [N, 3 * 512]."""
    parts = np.split(white, np.cumsum(GROUPS)[:-1], axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1).reshape(len(white), -1)


def unexplained(fitted: dict, features, targets, mean, scale, scatter) -> np.ndarray:
    """Share of the variance in w that the encoder misses on held-out renders, per group of styles."""
    x = (features - mean) * scale
    found = x @ fitted["encoder.reduce"] @ fitted["encoder.expand"] + fitted["encoder.bias"]
    error = ((found - targets).reshape(-1, len(GROUPS), 512) @ scatter) ** 2
    spread = ((targets - targets.mean(0)).reshape(-1, len(GROUPS), 512) @ scatter) ** 2
    return error.sum((0, 2)) / spread.sum((0, 2))


def load_pairs(pairs: Path, features: Path) -> dict:
    """Codes [N, 23, 512], features X, XA and C [N, F] and the chunks' names."""
    names = [path.name for path in sorted(features.glob("chunk_*.npz"))]
    if not names:
        raise UserError(f"--features {features}: holds no chunk_*.npz; run read_pairs first")
    read = [np.load(features / name) for name in names]
    joined = {k: np.concatenate([part[k] for part in read]) for k in ("X", "XA", "C")}
    codes = np.concatenate([np.load(pairs / name)["codes"] for name in names])
    joined = {name: value.astype(np.float32) for name, value in joined.items()}
    return {**joined, "codes": codes.astype(np.float32), "names": names}


def fit_and_check_encoder(pairs: dict, targets: np.ndarray, photos, scatter, args) -> dict:
    """Fit with every 20th pair held out, print what is missed on those, then fit with all pairs."""
    held = np.arange(len(targets)) % 20 == 19
    part = [pairs[name][~held] for name in ("X", "XA")]
    test = fit_encoder(part, targets[~held], photos, scatter, args.rank, args.penalty)
    scales = feature_scale(part[0])
    missed = unexplained(test, pairs["X"][held], targets[held], *scales, scatter)
    print(f"{len(targets)} pairs; variance of w missed on {held.sum()} held out: {missed.round(3)}")
    every = [pairs["X"], pairs["XA"]]
    return fit_encoder(every, targets, photos, scatter, args.rank, args.penalty)


def save_fitted(path: Path, fitted: dict) -> None:
    """Write what was fitted; what is large in float16."""
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
    mean = generator.latent_avg
    scatter = whitening(mapped_samples(generator.state_dict, count=10000, seed=1000))
    pairs = load_pairs(args.pairs, args.features)
    white = (pairs["codes"] - mean) @ np.linalg.inv(scatter)
    others = glasses_scores(pairs["X"], pairs["names"]), redness(pairs["X"])
    coarse = white[:, :COARSE].mean(axis=1)
    fitted = fit_reader(args.people)
    read = (pairs["C"] - fitted["reader.mean"]) @ fitted["reader.weight"] + fitted["reader.bias"]
    ages, genders = np.clip(read[:, 0], 0, 100), read[:, 1]
    fitted.update(fit_age_path(coarse, ages, genders, others, scatter))
    photos = np.load(args.features / "photos.npz")["X"].astype(np.float32)
    fitted.update(fit_and_check_encoder(pairs, grouped(white), photos, scatter, args))
    fitted.update({"mean": mean, "scatter": scatter})
    save_fitted(args.out, fitted)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
