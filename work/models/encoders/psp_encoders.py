"""The feature-pyramid style encoder of pSp (Richardson et al. 2021, section 3), which SAM uses too; its baselines."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.encoders.irse import body, input_layer
from work.models.ops.batch_norm import BatchNorm2D
from work.models.ops.convolution import Conv2D
from work.models.ops.equalized import EqualLinear

# Styles before COARSE_END come from the coarse map (16 px), those before MIDDLE_END from the middle one (32 px), the
# others from the fine one (64 px).
COARSE_END, MIDDLE_END = 3, 7


class GradualStyleBlock(nn.Layer):
    """A feature map to one style: convolutions of stride 2 down to a single pixel, then a linear layer."""

    def __init__(self, in_channels: int, out_channels: int, spatial: int):
        super().__init__()
        layers: list[nn.Layer] = []
        for _ in range(int(math.log2(spatial))):
            layers += [Conv2D(in_channels, out_channels, 3, 2, 1), nn.LeakyReLU(0.01)]
            in_channels = out_channels
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class GradualStyleEncoder(nn.Layer):
    """An IR or IR-SE body with a feature pyramid and one small head per style.

    Args:
        num_layers: 50 or 100.
        mode: "ir" or "ir_se".
        input_nc: channels of the input; SAM's fourth is the target age.
        n_styles: heads, 18 for a generator of 1024 px.
    """

    def __init__(
        self, num_layers: int = 50, mode: str = "ir_se", input_nc: int = 3, n_styles: int = 18
    ):
        super().__init__()
        if mode not in ("ir", "ir_se"):
            raise ValueError(f'GradualStyleEncoder: mode is "ir" or "ir_se", not {mode!r}')
        self.n_styles = n_styles
        self.input_layer = input_layer(input_nc)
        self.body = body(num_layers, se=mode == "ir_se")
        self.styles = nn.LayerList(
            [
                GradualStyleBlock(512, 512, 16 if i < COARSE_END else 32 if i < MIDDLE_END else 64)
                for i in range(n_styles)
            ]
        )
        self.latlayer1 = Conv2D(256, 512, 1)
        self.latlayer2 = Conv2D(128, 512, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, input_nc, 256, 256] in [-1, 1] -> codes [N, n_styles, 512]."""
        fine, middle, coarse = self._features(self.input_layer(x))
        middle = self.latlayer1(middle) + _upsample_to(coarse, middle)
        fine = self.latlayer2(fine) + _upsample_to(middle, fine)
        maps = [coarse] * COARSE_END + [middle] * (MIDDLE_END - COARSE_END)
        maps += [fine] * (self.n_styles - len(maps))
        return paddle.stack([head(m) for head, m in zip(self.styles, maps)], axis=1)

    def _features(self, x: Tensor) -> list[Tensor]:
        """The outputs of the second, third and fourth stage: 64, 32 and 16 px of a 256 px image."""
        features = []
        for i, block in enumerate(self.body):
            if i and block.stride == 2:
                features.append(x)
            x = block(x)
        return [*features[1:], x]


class BackboneEncoderUsingLastLayerIntoW(nn.Layer):
    """One w from the mean of the last feature map: pSp's ablation in W (section 4.3)."""

    def __init__(self, num_layers: int = 50, mode: str = "ir_se", input_nc: int = 3):
        super().__init__()
        self.input_layer = input_layer(input_nc)
        self.body = body(num_layers, se=mode == "ir_se")
        self.linear = EqualLinear(512, 512)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, input_nc, 256, 256] in [-1, 1] -> codes [N, 1, 512], the same for every layer."""
        x = self.input_layer(x)
        for block in self.body:
            x = block(x)
        return self.linear(x.mean(axis=[2, 3])).unsqueeze(1)


class BackboneEncoderUsingLastLayerIntoWPlus(nn.Layer):
    """All codes from the last feature map, through two linear layers: the baseline that pSp calls naive W+."""

    def __init__(
        self, num_layers: int = 50, mode: str = "ir_se", input_nc: int = 3, n_styles: int = 18
    ):
        super().__init__()
        self.n_styles = n_styles
        self.input_layer = input_layer(input_nc)
        self.body = body(num_layers, se=mode == "ir_se")
        self.output_layer_2 = nn.Sequential(
            BatchNorm2D(512),
            nn.AdaptiveAvgPool2D((7, 7)),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
        )
        self.linear = EqualLinear(512, 512 * n_styles)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, input_nc, 256, 256] in [-1, 1] -> codes [N, n_styles, 512]."""
        x = self.input_layer(x)
        for block in self.body:
            x = block(x)
        return self.linear(self.output_layer_2(x)).reshape([-1, self.n_styles, 512])


def _upsample_to(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
