"""How a generator's codes are spread."""

from __future__ import annotations

import numpy as np


def whitening(w: np.ndarray) -> np.ndarray:
    """A matrix [512, 512] with which white noise is spread like w [N, 512]: `noise @ matrix`.

    Its rows are the principal axes of w, each times its standard deviation.
    """
    values, axes = np.linalg.eigh(np.cov(w.T))
    axes *= np.sign(axes[np.abs(axes).argmax(0), range(len(axes))])  # LAPACK leaves the signs open
    values = np.clip(values, values.max() * 1e-4, None)
    return (axes * np.sqrt(values)).T.astype(np.float32)
