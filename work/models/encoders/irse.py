"""The improved residual blocks of ArcFace (Deng et al. 2019), with and without squeeze-and-excitation."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.batch_norm import BatchNorm2D
from work.models.ops.convolution import Conv2D
from work.models.ops.one_pass import PReLU, spatial_mean

# (channels out, blocks) of each of the four stages; the first block of a stage halves the resolution.
STAGES = {
    50: ((64, 3), (128, 4), (256, 14), (512, 3)),
    100: ((64, 3), (128, 13), (256, 30), (512, 3)),
}


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> Conv2D:
    return Conv2D(in_channels, out_channels, 3, stride, 1, bias_attr=False)


class SEModule(nn.Layer):
    """Squeeze and excitation: each channel weighted by a gate that depends on all channels' means."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.fc1 = Conv2D(channels, channels // reduction, 1, bias_attr=False)
        self.fc2 = Conv2D(channels // reduction, channels, 1, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = F.relu(self.fc1(spatial_mean(x)))
        return x * F.sigmoid(self.fc2(gate))


class Bottleneck(nn.Layer):
    """Batch norm, convolution, PReLU, convolution, batch norm (and SE), added to the shortcut."""

    def __init__(self, in_channels: int, depth: int, stride: int, se: bool):
        super().__init__()
        self.stride = stride
        self.shortcut_layer: nn.Layer | None = None
        if in_channels != depth:
            self.shortcut_layer = nn.Sequential(
                Conv2D(in_channels, depth, 1, stride, bias_attr=False), BatchNorm2D(depth)
            )
        self.res_layer = nn.Sequential(
            BatchNorm2D(in_channels),
            conv3x3(in_channels, depth),
            PReLU(depth),
            conv3x3(depth, depth, stride),
            BatchNorm2D(depth),
            *([SEModule(depth)] if se else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut_layer is not None:
            shortcut = self.shortcut_layer(x)
        else:  # the reference's max pool over one pixel just takes every stride-th one
            shortcut = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        return self.res_layer(x) + shortcut


def input_layer(input_nc: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(input_nc, 64), BatchNorm2D(64), PReLU(64))


def body(num_layers: int, se: bool) -> nn.LayerList:
    """The blocks of an IR (se=False) or IR-SE network of 50 or 100 layers, input [N, 64, H, W]."""
    if num_layers not in STAGES:
        raise ValueError(
            f"IR networks have {' or '.join(map(str, STAGES))} layers, not {num_layers}"
        )
    blocks, channels = [], 64
    for depth, count in STAGES[num_layers]:
        for i in range(count):
            blocks.append(Bottleneck(channels, depth, 2 if i == 0 else 1, se))
            channels = depth
    return nn.LayerList(blocks)


def l2_normalize(x: Tensor) -> Tensor:
    """Scale the rows of [N, D] to unit length."""
    return x / paddle.linalg.norm(x, axis=1, keepdim=True)
