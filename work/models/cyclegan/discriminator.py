"""The 70x70 PatchGAN discriminator (Isola et al. 2017): a face in, one score for each overlapping patch of it out."""

from __future__ import annotations

from typing import Optional

import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.cyclegan.generator import add_planes
from work.models.cyclegan.layers import Conv

SLOPE = 0.2
STRIDES = (2, 2, 2, 1, 1)
KERNEL = 4


class Discriminator(nn.Layer):
    """Five 4x4 convolutions, 64 to 512 channels at `ndf` 64; instance norm on the middle three.

    Args:
        planes: 0, or 1 for the age that a face is said to have. The first convolution has no norm, so that the
            constant plane is not lost (see Generator).
    """

    def __init__(self, ndf: int = 64, planes: int = 0):
        super().__init__()
        widths = [3 + planes, ndf, 2 * ndf, 4 * ndf, 8 * ndf, 1]
        self.convs = nn.LayerList(
            [
                Conv(widths[i], widths[i + 1], KERNEL, stride, padding=1, normed=0 < i < 4)
                for i, stride in enumerate(STRIDES)
            ]
        )

    def forward(self, faces: Tensor, ages: Optional[Tensor] = None) -> Tensor:
        """Faces [N, 3, H, W] in [-1, 1], and ages [N] in years for a network with a plane -> scores [N, 1, H', W']."""
        x = faces if ages is None else add_planes(faces, ages / 100)
        for i in range(len(STRIDES) - 1):
            x = F.leaky_relu(self.convs[i](x), SLOPE)
        return self.convs[len(STRIDES) - 1](x)
