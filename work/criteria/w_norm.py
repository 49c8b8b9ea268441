"""The regulariser that keeps codes near the mean latent (pSp, section 3.2; SAM)."""

from __future__ import annotations

import paddle
from paddle import Tensor


def w_norm_loss(w_plus: Tensor, latent_avg: Tensor | None = None) -> Tensor:
    """The mean Euclidean length of w_plus - latent_avg over a batch.

    Args:
        w_plus: [N, n_styles, 512].
        latent_avg: [n_styles, 512]; None measures from zero, for encoders that do not start from the mean.
    """
    offset = w_plus if latent_avg is None else w_plus - latent_avg
    # A square root has no gradient at 0, the mean latent itself; elsewhere 1e-12 changes nothing.
    return paddle.sqrt(paddle.sum(offset * offset, axis=[1, 2]) + 1e-12).mean()
