"""The regulariser of pSp (section 3.2) and SAM that keeps codes near the mean latent."""

from __future__ import annotations

import paddle
from paddle import Tensor


def w_norm_loss(w_plus: Tensor, latent_avg: Tensor | None = None) -> Tensor:
    """The mean over a batch of the Euclidean length of w_plus - latent_avg.

    Args:
        w_plus: [N, n_styles, 512].
        latent_avg: [n_styles, 512]; None measures from zero, for encoders that do not start from it.
    """
    offset = w_plus if latent_avg is None else w_plus - latent_avg
    # At the mean latent itself a square root has no gradient; 1e-12 changes nothing elsewhere.
    return paddle.sqrt(paddle.sum(offset * offset, axis=[1, 2]) + 1e-12).mean()
