"""The U-Net that re-ages a face in one pass: it is told the face's age and the wanted one, and draws the difference.

After FRAN (Zoss et al. 2022, "Production-Ready Face Re-Aging for Visual Effects"), made small enough for a CPU. Its
first level works on squares of 2x2 pixels: at full resolution, with few channels, oneDNN reaches a fifth of its speed.
Most of the weights lie at a sixteenth of the resolution, where a convolution costs little and sees the whole face.
"""

from __future__ import annotations

import math

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.cyclegan.generator import add_planes
from work.models.ops.convolution import Conv2D, conv2d

WIDTHS = (48, 64, 128, 256)  # channels at a half of the resolution, a quarter, ... a sixteenth
DEPTH = 3  # residual blocks at the lowest resolution
WIDE = 7  # taps of these blocks' first convolution: with it, a pixel depends on the whole face
STEP = 16  # the sides of a picture are multiples of it
SLOPE = 0.2  # of the leaky ReLUs
CENTRE = 50.0  # years: planes tell (age - CENTRE) / CENTRE
RESIDUE = 0.25  # how much smaller than He's the weights of a convolution beside a shortcut start


class Block(nn.Layer):
    """A 3x3 convolution, then a second one beside a shortcut."""

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.conv1 = Conv2D(channels, out, 3, padding=1)
        self.conv2 = Conv2D(out, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(x), SLOPE)
        return F.leaky_relu(x + self.conv2(x), SLOPE)


class DeepBlock(nn.Layer):
    """A wide depthwise convolution and two 3x3 convolutions, with a shortcut around all three."""

    def __init__(self, channels: int):
        super().__init__()
        self.look = Conv2D(channels, channels, WIDE, padding=WIDE // 2, groups=channels)
        self.conv1 = Conv2D(channels, channels, 3, padding=1)
        self.conv2 = Conv2D(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(self.look(x)), SLOPE))


class ReagingNet(nn.Layer):
    """Predicts, from faces and two ages, the difference that leads from one age to the other; at first it is zero.

    Args:
        widths: channels at a half of the resolution, a quarter, and so on down to a sixteenth.
        depth: residual blocks at the lowest resolution.
        seed: of the first weights.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, depth: int = DEPTH, seed: int = 0):
        super().__init__()
        steps = list(zip(widths, widths[1:]))
        self.first = Block(3 * 4 + 2, widths[0])
        self.down = nn.LayerList([Block(a, b) for a, b in steps])
        self.told = Conv2D(2, widths[-1], 1)
        self.deep = nn.LayerList([DeepBlock(widths[-1]) for _ in range(depth)])
        self.narrow = nn.LayerList([Conv2D(b, a, 1) for a, b in reversed(steps)])
        self.up = nn.LayerList([Block(a, a) for a, _ in reversed(steps)])
        self.last = Conv2D(widths[0], 3 * 4, 3, padding=1)
        _draw_weights(self, np.random.default_rng([seed, 0]))

    def forward(self, faces: Tensor, own: Tensor, target: Tensor) -> Tensor:
        """The difference [N, 3, H, W] that leads from faces [N, 3, H, W] in [-1, 1] to their target ages.

        Args:
            own, target: ages in years, [N]. The sides are multiples of STEP.
        """
        ages = [age / CENTRE - 1 for age in (own, target)]
        x = self.first(add_planes(F.pixel_unshuffle(faces, 2), *ages))
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(halve(x))
        x = x + self.told(paddle.stack(ages, 1).reshape([-1, 2, 1, 1]))
        for deep in self.deep:
            x = deep(x)
        for narrow, block in zip(self.narrow, self.up):
            x = block(skips.pop() + double(narrow(x)))
        return smooth(F.pixel_shuffle(self.last(x), 2))


def halve(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, H / 2, W / 2], low-passed first, so that fine detail does not turn into coarse stripes
    (Zhang 2019, "Making Convolutional Networks Shift-Invariant Again")."""
    return _filtered(x, (1, 3, 3, 1), 2)


def double(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, 2 H, 2 W], bilinearly: zeros between the pixels, and then the filter of `halve`."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def smooth(x: Tensor) -> Tensor:
    """A slight blur that removes patterns with a period of two pixels: the grid that a pixel shuffle can leave."""
    return _filtered(x, (1, 2, 1), 1)


def _filtered(x: Tensor, taps: tuple[int, ...], stride: int) -> Tensor:
    """Each channel convolved with the outer product of the taps, whose sum counts as 1."""
    channels = x.shape[1]
    kernel = np.outer(taps, taps).astype(np.float32) / sum(taps) ** 2
    weight = paddle.to_tensor(kernel).expand([channels, 1, *kernel.shape])
    return conv2d(x, weight, None, stride, 1, channels)


def _draw_weights(net: ReagingNet, rng: np.random.Generator) -> None:
    """Draw all weights as He et al. 2015 do for leaky ReLUs (equation 15); the last layer and the biases are 0."""
    for name, parameter in net.named_parameters():
        shape = parameter.shape
        value = np.zeros(shape, np.float32)
        if not name.endswith("bias") and not name.startswith("last."):
            deviation = math.sqrt(2 / (1 + SLOPE**2) / math.prod(shape[1:]))
            deviation *= RESIDUE if name.endswith("conv2.weight") else 1.0
            value = (deviation * rng.standard_normal(shape)).astype(np.float32)
        parameter.set_value(value)
