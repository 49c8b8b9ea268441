"""Faces that the generator renders for training: their latent codes are known, and their number is unlimited."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor

from work.configs.train_options import TrainOptions
from work.datasets.training import RENDERS, random_generator
from work.models.psp import PSP

TRUNCATIONS = (0.5, 1.0)


@paddle.no_grad()
def draw_codes(net: PSP, options: TrainOptions, key: tuple[int, ...], rank: int) -> Tensor:
    """The w_plus [options.renders, n_styles, 512] of new people: one style for all layers, drawn towards the mean.

    A function of the seed, the batch's key and the rank.
    """
    rng, count = random_generator(options.seed, RENDERS, *key, rank), options.renders
    z = paddle.to_tensor(rng.standard_normal((count, 512)).astype(np.float32))
    truncation = paddle.to_tensor(rng.uniform(*TRUNCATIONS, (count, 1)).astype(np.float32))
    mean = net.latent_avg[:1]
    return (mean + truncation * (net.map(z) - mean)).unsqueeze(1).tile([1, net.n_styles, 1])
