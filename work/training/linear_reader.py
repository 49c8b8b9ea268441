"""A linear reader of yes or no: ridge regression of labels on features of a frozen network, and its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from work.training.arrays import save_arrays

PENALTY = 0.3


def fit(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Weight [F] and bias of the score, from features [N, F] and labels [N] of 0 or 1."""
    mean, scale = features.mean(0), 1 / (features.std(0) + 1e-2) / np.sqrt(features.shape[1])
    x = (features - mean) * scale
    dual = np.linalg.solve(x @ x.T + PENALTY * np.eye(len(x)), labels - labels.mean())
    weight = scale * (x.T @ dual)
    return weight, float(labels.mean() - mean @ weight)


def save(file: Path, weight: np.ndarray, bias: float) -> None:
    """Write `weight`, in float16, and `bias` as .npz, and print how large the file is."""
    save_arrays(file, weight=weight.astype(np.float16), bias=np.float32(bias))
    print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")
