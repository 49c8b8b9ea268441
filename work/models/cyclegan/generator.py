"""The ResNet generator of CycleGAN (Zhu et al. 2017, after Johnson et al. 2016): a face in, the same face restyled."""

from __future__ import annotations

from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.cyclegan.layers import Conv, Upsample

MOST_YEARS = 40.0  # the largest change that the years plane tells, and what it is divided by


class Block(nn.Layer):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = Conv(channels, channels, 3, reflect=1)
        self.conv2 = Conv(channels, channels, 3, reflect=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class Generator(nn.Layer):
    """7x7 convolution, two steps down, residual blocks, two steps up, 7x7 convolution, tanh.

    Args:
        ngf: channels at full resolution; 4 times as many in the blocks.
        blocks: 9 for faces of 256 px, 6 below.
        planes: constant input channels beside RGB: 0, or 2 for an age and a change in years.
        residual: the network predicts a change that is added to the face; with planes, it is scaled by the years:
            none for 0 years, all of it for MOST_YEARS. At the start the change is zero (see CycleGAN), while a
            network that outputs the whole face needs thousands of steps just to learn to copy it.
        upsample: see Upsample.

    A constant plane only shifts the first convolution's channels, and instance norm would take the shift away: the
    network would be blind to it. With planes the first convolution has a bias and no norm, so that what passes
    its ReLU depends on them.
    """

    def __init__(
        self,
        ngf: int = 64,
        blocks: int = 9,
        planes: int = 0,
        residual: bool = False,
        upsample: str = "transposed",
    ):
        super().__init__()
        self.residual = residual
        self.first = Conv(3 + planes, ngf, 7, reflect=3, normed=not planes)
        self.down1 = Conv(ngf, 2 * ngf, 3, stride=2, padding=1)
        self.down2 = Conv(2 * ngf, 4 * ngf, 3, stride=2, padding=1)
        self.blocks = nn.LayerList([Block(4 * ngf) for _ in range(blocks)])
        self.up1 = Upsample(4 * ngf, 2 * ngf, upsample)
        self.up2 = Upsample(2 * ngf, ngf, upsample)
        self.last = Conv(ngf, 3, 7, reflect=3, normed=False)

    def forward(
        self, faces: Tensor, ages: Optional[Tensor] = None, years: Optional[Tensor] = None
    ) -> Tensor:
        """Faces [N, 3, H, W] in [-1, 1], sides divisible by 4 -> the same shape and range, up to [-2, 2] if residual.

        Args:
            ages: estimated ages [N] in years, and `years` [N], the signed change; only for a network with planes.
        """
        x = faces
        if ages is not None and years is not None:
            x = add_planes(faces, ages / 100, years / MOST_YEARS)
        x = F.relu(self.first(x))
        x = F.relu(self.down2(F.relu(self.down1(x))))
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.up2(F.relu(self.up1(x))))
        drawn = F.tanh(self.last(x))
        if not self.residual:
            return drawn
        share = 1.0 if years is None else (years.abs() / MOST_YEARS).reshape([-1, 1, 1, 1])
        return faces + share * drawn


def add_planes(faces: Tensor, *values: Tensor) -> Tensor:
    """Append one constant channel for each [N] of values to faces [N, 3, H, W]."""
    n, _, height, width = faces.shape
    planes = [
        v.astype(faces.dtype).reshape([n, 1, 1, 1]).expand([n, 1, height, width]) for v in values
    ]
    return paddle.concat([faces, *planes], axis=1)


def blocks_for(size: int) -> int:
    """How many residual blocks the paper of CycleGAN takes for faces of `size` pixels."""
    return 9 if size >= 256 else 6
