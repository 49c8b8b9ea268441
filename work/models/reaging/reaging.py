"""What a training run of the re-ageing network holds: the network, and the discriminator that judges its faces."""

from __future__ import annotations

import numpy as np
from paddle import Tensor, nn

from work.models.cyclegan.discriminator import Discriminator
from work.models.cyclegan.layers import draw_weights
from work.models.freezing import take_gradients
from work.models.reaging.unet import ReagingNet


class Reaging(nn.Layer):
    """`reager` draws differences; `judge` tells real faces of an age from those that `reager` made.

    Args:
        ndf: channels of the discriminator.
        seed: of the first weights.
    """

    def __init__(self, ndf: int = 32, seed: int = 0):
        super().__init__()
        self.reager = ReagingNet(seed=seed)
        self.judge = Discriminator(ndf, planes=1)
        draw_weights(self.judge, np.random.default_rng([seed, 1]))

    def forward(self, faces: Tensor, own: Tensor, target: Tensor) -> Tensor:
        """Faces [N, 3, H, W] of own ages [N] -> the same faces at the target ages [N], in years; not clipped."""
        return faces + self.reager(faces, own, target)

    def freeze_judge(self, frozen: bool) -> None:
        """Whether the discriminator's weights take gradients."""
        take_gradients(self.judge, not frozen)
