"""What dlib's networks for faces share: residual blocks (batch norm is folded in), and the mean at the end."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import Conv2D

MEAN = (122.782, 117.001, 104.298)  # subtracted from RGB in 0..255; the rest is divided by 256


class Block(nn.Layer):
    """Two 3x3 convolutions and a shortcut without parameters.

    A block that halves the resolution starts with an unpadded convolution of stride 2, and its shortcut is pooled;
    zeros make up for the channels, rows and columns that one of the two lacks.
    """

    def __init__(self, channels: int, out: int, down: bool) -> None:
        super().__init__()
        self.down, self.extra = down, out - channels
        self.conv1 = Conv2D(channels, out, 3, 2 if down else 1, 0 if down else 1)
        self.conv2 = Conv2D(out, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2, 2)
            height, width = (max(a, b) for a, b in zip(x.shape[2:], y.shape[2:]))
            x = F.pad(x, [0, width - x.shape[3], 0, height - x.shape[2]])
            y = F.pad(y, [0, width - y.shape[3], 0, height - y.shape[2]])
        if self.extra:
            zeros = paddle.zeros([x.shape[0], self.extra, *x.shape[2:]], dtype=x.dtype)
            x = paddle.concat([x, zeros], axis=1)
        return F.relu(x + y)


class DlibResNet(nn.Layer):
    """Faces of a fixed size to the features that a last layer sees.

    Args:
        widths: channels of the blocks in order; the stem has as many as the first.
        down: numbers of the blocks that halve the resolution.
    """

    def __init__(self, widths: Sequence[int], down: Sequence[int]) -> None:
        super().__init__()
        before = (widths[0], *widths[:-1])
        self.stem = Conv2D(3, widths[0], 7, 2)
        self.blocks = nn.LayerList(
            [Block(i, o, n in down) for n, (i, o) in enumerate(zip(before, widths))]
        )
        mean = paddle.to_tensor(MEAN, dtype="float32").reshape([1, 3, 1, 1])
        self.register_buffer("mean", mean, persistable=False)

    def features(self, x: Tensor) -> Tensor:
        """RGB [N, 3, S, S] in [-1, 1] -> features [N, C]."""
        x = ((x + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return x.mean(axis=[2, 3])
