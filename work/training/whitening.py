"""How a generator's codes are spread."""

from __future__ import annotations

import numpy as np


def whitening(w: np.ndarray) -> np.ndarray:
    """[512, 512], whose rows are principal axes times their deviations: white noise @ it is spread like w [N, 512]."""
    values, axes = np.linalg.eigh(np.cov(w.T))
    axes *= np.sign(axes[np.abs(axes).argmax(0), range(len(axes))])  # LAPACK leaves the signs open
    values = np.clip(values, values.max() * 1e-4, None)
    return (axes * np.sqrt(values)).T.astype(np.float32)
