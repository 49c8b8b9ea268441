"""Whether a photo shows a hat, cap, helmet or headscarf, and what of such a photo an aged face may change.

The generator knows few of them: it would draw hair through their cloth, or half of another one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.faces.head_mask import below_brow
from work.inference.composite import head_template

FILE = Path(__file__).with_name("hats.npz")  # fitted by work/training/embedded/fit_hats.py
LAYER = 4  # of AlexNet's five, from 0
ABOVE = 0.55  # the share of the aligned picture, from its upper edge, in which hats are looked for
GRID = (4, 6)  # cells in which features are averaged there
SCORE = 0.3, 0.45  # no hat below the first, surely one from the second on


class HatReader:
    """Aligned photos [N, 3, 256, 256] in [-1, 1] -> how surely they show a hat, [N] in [0, 1].

    Args:
        lpips: LPIPS on AlexNet.
    """

    def __init__(self, lpips: Any):
        saved = np.load(FILE)
        self.lpips, self.bias = lpips, float(saved["bias"])
        self.weight = paddle.to_tensor(saved["weight"].astype(np.float32))

    @paddle.no_grad()
    def __call__(self, photos: Tensor) -> Tensor:
        score = hat_features(self.lpips, photos) @ self.weight + self.bias
        return ((score - SCORE[0]) / (SCORE[1] - SCORE[0])).clip(0, 1)


@paddle.no_grad()
def hat_features(lpips: Any, photos: Tensor) -> Tensor:
    """What is read: AlexNet's features in cells of the upper half, [N, F]."""
    features = lpips.features(photos)[LAYER]
    upper = features[:, :, : int(features.shape[2] * ABOVE)]
    return F.adaptive_avg_pool2d(upper, GRID).reshape([len(photos), -1])


def below_hat(hat: Tensor, size: int) -> Tensor:
    """How much of each row may change, [N, 1, size, 1]: all of it without a hat, with one what is below its brim.

    Args:
        hat: [N], from HatReader.
        size: px of the aligned pictures.
    """
    return 1 - hat.reshape([-1, 1, 1, 1]) * (1 - head_template(size, below_brow))
