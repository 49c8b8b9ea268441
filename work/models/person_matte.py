"""Where in a photo the person is: MediaPipe's selfie segmentation (general model of 2021, Apache 2.0) in Paddle.

MobileNetV3's blocks (Howard et al. 2019, arXiv 1905.02244) downsample the photo to 16 px, its head LR-ASPP weights
their channels, and three steps upsample to 128 px, each with a skip connection from the features of that size.
"""

from __future__ import annotations

from typing import Callable, Optional

import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import Conv2D, conv2d, conv2d_transpose

SIZE = 256  # px
# Per block: channels within and after it, kernel, stride, channels of its attention (0: none), activation.
BLOCKS = (
    (16, 16, 3, 2, 8, F.relu),
    (72, 24, 3, 2, 0, F.relu),
    (88, 24, 3, 1, 0, F.relu),
    (96, 32, 5, 2, 24, F.hardswish),
    (128, 32, 5, 1, 32, F.hardswish),
    (128, 32, 5, 1, 32, F.hardswish),
    (96, 32, 5, 1, 24, F.hardswish),
    (96, 32, 5, 1, 24, F.hardswish),
)
# The blocks whose features the first two steps upwards use; the last one uses the stem's.
SKIPS = (2, 0)


class HalvingConv(Conv2D):
    """A convolution with stride 2 that pads an even side as TensorFlow does: one zero more below and on the right."""

    def __init__(self, channels: int, out: int, kernel: int, groups: int = 1):
        super().__init__(channels, out, kernel, 2, groups=groups)
        before, after = (kernel - 2) // 2, (kernel - 1) // 2
        self.zeros = [before, after, before, after]

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, 2, self.zeros, self._groups)


class Attention(nn.Layer):
    """Squeeze-and-excitation: a gate in [0, 1] per channel, from all channels' means: [N, C, H, W] -> [N, C, 1, 1]."""

    def __init__(self, channels: int, middle: int):
        super().__init__()
        self.reduce = Conv2D(channels, middle, 1)
        self.expand = Conv2D(middle, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(self.expand(F.relu(self.reduce(x.mean(axis=[2, 3], keepdim=True)))))


class Block(nn.Layer):
    """MobileNetV3's inverted residual: expand, depthwise, attention, project; with a shortcut at stride 1."""

    def __init__(
        self,
        channels: int,
        within: int,
        out: int,
        kernel: int,
        stride: int,
        attention: int,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.activation, self.shortcut = activation, stride == 1
        self.expand = Conv2D(channels, within, 1)
        if stride == 2:
            self.depthwise: Conv2D = HalvingConv(within, within, kernel, groups=within)
        else:
            self.depthwise = Conv2D(within, within, kernel, padding=kernel // 2, groups=within)
        self.attention: Optional[Attention] = Attention(within, attention) if attention else None
        self.project = Conv2D(within, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.depthwise(self.activation(self.expand(x))))
        if self.attention is not None:
            y = y * self.attention(y)
        y = self.project(y)
        return x + y if self.shortcut else y


class Head(nn.Layer):
    """LR-ASPP without its second scale: features, each channel weighed by what the whole picture holds."""

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.values = Conv2D(channels, out, 1)
        self.weights = Conv2D(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.sigmoid(self.weights(x.mean(axis=[2, 3], keepdim=True)))
        return F.relu(self.values(x)) * weights


class UpStep(nn.Layer):
    """Doubles the size of the features and adds those of the skip connection, gated by attention."""

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.enter = Conv2D(channels, out, 1)
        self.attention = Attention(out, out)
        self.leave = Conv2D(out, out, 1)
        self.depthwise = Conv2D(out, out, 3, padding=1, groups=out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.enter(x)
        x = F.relu(self.leave(skip * self.attention(skip + x) + x))
        return x + F.relu(self.depthwise(x))


class PersonMatte(nn.Layer):
    """Photos to mattes: 1 where the person is (hair, clothes and what is worn too), 0 in the background."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = HalvingConv(3, 16, 3)
        entering = (16, *(block[1] for block in BLOCKS))
        self.blocks = nn.LayerList([Block(i, *block) for i, block in zip(entering, BLOCKS)])
        self.head = Head(32, 128)
        self.steps = nn.LayerList([UpStep(i, o) for i, o in ((128, 24), (24, 16), (16, 16))])
        self.last = nn.Conv2DTranspose(16, 1, 2, 2)

    def forward(self, photos: Tensor) -> Tensor:
        """Photos [N, 3, H, W], RGB in [-1, 1] -> mattes [N, 1, H, W] in [0, 1]; see `at_size`."""
        return at_size(self.see, photos)

    def see(self, x: Tensor) -> Tensor:
        """Photos of SIZE x SIZE px alone."""
        x = stem = F.hardswish(self.stem((x + 1) / 2))
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        skips = [*(features[i] for i in SKIPS), stem]
        x = self.head(x)
        for step, skip in zip(self.steps, skips):
            x = step(x, skip)
        x = conv2d_transpose(x, self.last.weight, 2) + self.last.bias.reshape([1, -1, 1, 1])
        return F.sigmoid(x)


def at_size(see: Callable[[Tensor], Tensor], photos: Tensor) -> Tensor:
    """Mattes [N, 1, H, W] of photos [N, 3, H, W], by a network that sees SIZE x SIZE px.

    Other sizes are brought there, and the mattes back, bilinearly: their edges stay soft.
    """
    size = photos.shape[2:]
    if size == [SIZE, SIZE]:
        return see(photos)
    if min(size) > SIZE:
        small = F.adaptive_avg_pool2d(photos, SIZE)
    else:
        small = F.interpolate(photos, [SIZE, SIZE], mode="bilinear", align_corners=False)
    return F.interpolate(see(small), size, mode="bilinear", align_corners=False)
