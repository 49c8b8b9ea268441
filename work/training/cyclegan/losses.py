"""Losses of least-squares CycleGANs, and how alike a batch of outputs is."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor

from work.models.cyclegan.generator import MOST_YEARS


def least_squares(scores: Tensor, real: bool) -> Tensor:
    """The mean of (score - 1)^2 for scores that should be real, of score^2 for others (Mao et al. 2017, equation 9
    with a = 0, b = c = 1, without the factor 1/2)."""
    return ((scores - 1) ** 2).mean() if real else (scores**2).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The mean over both kinds of scores, which is half of the sum: the discriminator learns more slowly than the
    generator (Zhu et al. 2017, section 7.1)."""
    return (least_squares(real, True) + least_squares(fake, False)) / 2


def mismatch_loss(scores: Tensor, years: Tensor) -> Tensor:
    """Half of the mean of score^2 for real faces shown with a wrong age, each in proportion to the age's error.

    Without such pairs a discriminator need not look at the age that it is told (Reed et al. 2016, "Generative
    Adversarial Text to Image Synthesis", section 4.2).

    Args:
        scores: [N, 1, h, w].
        years: [N], told age less true age.
    """
    shares = (years.abs() / MOST_YEARS).reshape([-1, 1, 1, 1])
    return (shares * scores**2).mean() / 2


def diversity(outputs: Tensor, reference: Tensor) -> Tensor:
    """How much outputs [N, 3, H, W] differ from one another, relative to `reference` [M, 3, H, W]; 0 if all are alike.

    The deviation over faces, averaged over the pixels of a coarse grid: noise and fine texture do not count as variety.
    """
    spread = [F.adaptive_avg_pool2d(x, 8).std(axis=0).mean() for x in (outputs, reference)]
    return spread[0] / (spread[1] + 1e-8)
