"""Fits the linear encoder, from frozen features to whitened codes, to rendered pairs."""

from __future__ import annotations

import numpy as np

from work.models.ridge_encoder import CONV2, CONV3, GROUPS, PIXELS


def feature_scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each feature, and a scale that gives each group of features the same weight."""
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
    """Reduced-rank ridge regression from features to grouped whitened codes [N, 3 * 512].

    Renders and photos are normalised by their own means and deviations, which removes what tells them apart as a whole.
    The rank goes to the directions with the largest errors in w.
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
    """Average codes [N, N_STYLES, 512] over the three groups of styles: [N, 3 * 512]."""
    parts = np.split(white, np.cumsum(GROUPS)[:-1], axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1).reshape(len(white), -1)


def unexplained(fitted: dict, features, targets, mean, scale, scatter) -> np.ndarray:
    """The share of the variance in w that the encoder misses on held-out renders, for each group of styles."""
    x = (features - mean) * scale
    found = x @ fitted["encoder.reduce"] @ fitted["encoder.expand"] + fitted["encoder.bias"]
    error = ((found - targets).reshape(-1, len(GROUPS), 512) @ scatter) ** 2
    spread = ((targets - targets.mean(0)).reshape(-1, len(GROUPS), 512) @ scatter) ** 2
    return error.sum((0, 2)) / spread.sum((0, 2))


def fit_and_check_encoder(pairs: dict, targets: np.ndarray, photos, scatter, args) -> dict:
    """Fit without every 20th pair, print the share of variance missed on these, then fit to all pairs."""
    held = np.arange(len(targets)) % 20 == 19
    part = [pairs[name][~held] for name in ("X", "XA")]
    test = fit_encoder(part, targets[~held], photos, scatter, args.rank, args.penalty)
    scales = feature_scale(part[0])
    missed = unexplained(test, pairs["X"][held], targets[held], *scales, scatter)
    print(f"{len(targets)} pairs; variance of w missed on {held.sum()} held out: {missed.round(3)}")
    every = [pairs["X"], pairs["XA"]]
    return fit_encoder(every, targets, photos, scatter, args.rank, args.penalty)
