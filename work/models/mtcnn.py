"""The three networks of MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment Using Multi-task
Cascaded Convolutional Networks", figure 2), in the version whose weights facenet-pytorch distributes.

All take RGB in [-1, 1] (127.5 subtracted, divided by 128) and return the log-odds of a face and box corrections in
units of the box's sides (left, top, right, bottom). The last one adds five landmarks in the same units: left eye, right
eye, nose, left and right corner of the mouth, as seen in the picture.
"""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn


class ProposalNet(nn.Layer):
    """P-Net: fully convolutional, a 12 px window every 2 px."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2D(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2D(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2D(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2D(32, 2, 1), nn.Conv2D(32, 4, 1)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image [N, 3, H, W] -> logits of (no face, face) [N, 2, h, w] and box corrections [N, 4, h, w]."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 2, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x), self.conv4_2(x)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image [N, 3, H, W] -> face log-odds [N, h, w] and box corrections [N, 4, h, w]."""
        logits, moves = self.logits(x)
        return _log_odds(logits), moves


class RefineNet(nn.Layer):
    """R-Net: judges crops of 24 px."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2D(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2D(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2D(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Crops [N, 3, 24, 24] -> face log-odds [N] and box corrections [N, 4]."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_flatten(x)))
        return _log_odds(self.dense5_1(x)), self.dense5_2(x)


class OutputNet(nn.Layer):
    """O-Net: judges crops of 48 px and finds the landmarks."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2D(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2D(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2D(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2D(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2 = nn.Linear(256, 2), nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Crops [N, 3, 48, 48] -> face log-odds [N], box corrections [N, 4], landmarks [N, 5, 2] (x, y)."""
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_flatten(x)))
        # Stored as x1..x5, y1..y5.
        points = self.dense6_3(x).reshape([-1, 2, 5]).transpose([0, 2, 1])
        return _log_odds(self.dense6_1(x)), self.dense6_2(x), points


def _log_odds(logits: Tensor) -> Tensor:
    """Logits of (no face, face) on axis 1 -> log P(face) / P(no face): unlike P, it never saturates at 1."""
    return logits[:, 1] - logits[:, 0]


def _flatten(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, W*H*C]: the order in which the original Caffe weights were trained."""
    return x.transpose([0, 3, 2, 1]).flatten(1)


class MTCNN(nn.Layer):
    """The three networks in one layer, so that one checkpoint (kind "mtcnn") holds them."""

    def __init__(self):
        super().__init__()
        self.pnet, self.rnet, self.onet = ProposalNet(), RefineNet(), OutputNet()
        self.eval()
