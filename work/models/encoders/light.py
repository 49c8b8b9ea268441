"""A style encoder of 4 to 5 million parameters: pSp's pyramid and heads on a trunk of separable convolutions.

The trunk's blocks are MobileNetV2's (Sandler et al. 2018, arXiv 1801.04381). The heads are pSp's map2style blocks, with
each 3x3 convolution split into a depthwise and a 1x1 one (Howard et al. 2017, arXiv 1704.04861).
"""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.encoders.psp_encoders import COARSE_END, MIDDLE_END
from work.models.ops.batch_norm import BatchNorm2D
from work.models.ops.convolution import Conv2D

STEM = 24  # channels at a half of the resolution
STAGES = ((32, 2), (64, 3), (128, 4), (192, 3))  # channels and blocks at a quarter, ... a 32nd
WIDEN = 4  # times the channels within a block
HEAD = 128  # channels of the pyramid and its heads
AXES = 64  # of 512, along which white codes move people: four fifths of the codes' variance; the rest add haze
FARTHEST = 5.0  # standard deviations by which a white code moves a person, at most
SLOPE = 0.01  # of the heads' leaky ReLUs, as in pSp


class Unit(nn.Sequential):
    """A convolution, batch norm and, if `active`, a ReLU."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ):
        conv = Conv2D(channels, out, kernel, stride, kernel // 2, groups=groups, bias_attr=False)
        super().__init__(conv, BatchNorm2D(out), *([nn.ReLU()] if active else []))


class InvertedBlock(nn.Layer):
    """MobileNetV2's inverted residual: expand, depthwise, project; with a shortcut where the shape stays the same."""

    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        within = WIDEN * channels
        self.shortcut = stride == 1 and channels == out
        self.widen = Unit(channels, within)
        self.depthwise = Unit(within, within, 3, stride, groups=within)
        self.narrow = Unit(within, out, active=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.depthwise(self.widen(x)))
        return x + y if self.shortcut else y


class LightStyle(nn.Layer):
    """A feature map to one style: separable convolutions of stride 2 down to a single pixel, then a linear layer.

    Each step adds to the 2 x 2 average pooling of its input. Without this shortcut, a new head passes on only a
    thousandth of the difference between two faces.
    """

    def __init__(self, channels: int, out: int, spatial: int):
        super().__init__()
        steps = range(int(math.log2(spatial)))
        self.depthwise = nn.LayerList(
            [Conv2D(channels, channels, 3, 2, 1, groups=channels) for _ in steps]
        )
        self.mix = nn.LayerList([Conv2D(channels, channels, 1) for _ in steps])
        self.linear = nn.Linear(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        for depthwise, mix in zip(self.depthwise, self.mix):
            x = F.avg_pool2d(x, 2) + F.leaky_relu(mix(depthwise(x)), SLOPE)
        return self.linear(x.flatten(1))


class LightStyleEncoder(nn.Layer):
    """See GradualStyleEncoder; its maps have 8, 16 and 32 px.

    Args:
        white: all layers share the mean of the heads' codes, smoothly limited to a norm below FARTHEST. Its last AXES
            numbers are multiplied by a constant `scatter` [AXES, 512], which should turn white noise into the
            distribution of the generator's codes along their widest axes. Steps of equal size then change faces the
            way people differ, by at most FARTHEST standard deviations. Codes that are not whitened, differ by layer
            or are longer leave what the generator knows.
    """

    def __init__(self, input_nc: int = 3, n_styles: int = 18, white: bool = False):
        super().__init__()
        self.n_styles, self.white = n_styles, white
        if white:
            self.register_buffer("scatter", paddle.eye(AXES, 512))
        self.input_layer = Unit(input_nc, STEM, 3, 2)
        self.body = nn.LayerList()
        channels = STEM
        for out, count in STAGES:
            blocks = [InvertedBlock(channels, out, 2)]
            blocks += [InvertedBlock(out, out, 1) for _ in range(count - 1)]
            self.body.append(nn.Sequential(*blocks))
            channels = out
        self.lateral = nn.LayerList([Conv2D(out, HEAD, 1) for out, _ in STAGES[1:]])
        self.styles = nn.LayerList(
            [
                LightStyle(HEAD, 512, 8 if i < COARSE_END else 16 if i < MIDDLE_END else 32)
                for i in range(n_styles)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, input_nc, 256, 256] in [-1, 1] -> codes [N, n_styles, 512]."""
        x = self.input_layer(x)
        features = []
        for stage in self.body:
            x = stage(x)
            features.append(x)
        fine, middle, coarse = (
            lateral(feature) for lateral, feature in zip(self.lateral, features[1:])
        )
        middle = middle + _double(coarse)
        fine = fine + _double(middle)
        maps = [coarse] * COARSE_END + [middle] * (MIDDLE_END - COARSE_END)
        maps += [fine] * (self.n_styles - len(maps))
        codes = paddle.stack([head(m) for head, m in zip(self.styles, maps)], axis=1)
        if not self.white:
            return codes
        mean = codes.mean(axis=1, keepdim=True)
        mean *= paddle.rsqrt(1 + mean.square().sum(axis=2, keepdim=True) / FARTHEST**2)
        return (mean[:, :, -AXES:] @ self.scatter).tile([1, self.n_styles, 1])


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
