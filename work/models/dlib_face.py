"""dlib's face embedding, a 29-layer ResNet (Davis King 2017, CC0): 128 numbers per face.

Two pictures of one person are usually less than 0.6 apart (Euclidean). Being differentiable, it can keep the likeness
while a photo is inverted.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.face_chip import face_chip
from work.models.ops.convolution import Conv2D

SIZE = 150  # px
MEAN = (122.782, 117.001, 104.298)  # subtracted from RGB in 0..255; the rest is divided by 256
# Channels of the residual blocks in order, and the blocks that halve the resolution
WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
DOWN = (3, 7, 10, 13)


class Block(nn.Layer):
    """Two 3x3 convolutions (batch norm folded in) and a shortcut without parameters.

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


class DlibFace(nn.Layer):
    """Face crops [N, 3, H, W], RGB in [-1, 1] (resized to 150 px), to embeddings [N, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv2D(3, 32, 7, 2)
        before = (32,) + WIDTHS[:-1]
        self.blocks = nn.LayerList(
            [Block(i, o, n in DOWN) for n, (i, o) in enumerate(zip(before, WIDTHS))]
        )
        self.head = nn.Linear(256, 128, bias_attr=False)
        mean = paddle.to_tensor(MEAN, dtype="float32").reshape([1, 3, 1, 1])
        self.register_buffer("mean", mean, persistable=False)

    def embed(self, faces: Tensor) -> Tensor:
        """FFHQ-aligned faces [N, 3, S, S] in [-1, 1] -> embeddings [N, 128]."""
        return self(face_chip(faces))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """The features [N, 256] that the last layer sees."""
        if x.shape[2:] != [SIZE, SIZE]:
            x = F.interpolate(x, size=[SIZE, SIZE], mode="bilinear", align_corners=False)
        x = ((x + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return x.mean(axis=[2, 3])
