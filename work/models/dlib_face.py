"""dlib's face embedding, a 29-layer ResNet (Davis King 2017, CC0): 128 numbers per face.

Two pictures of one person are usually less than 0.6 apart (Euclidean). Being differentiable, it can keep the likeness
while a photo is inverted.
"""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.dlib_resnet import DlibResNet
from work.models.face_chip import face_chip

SIZE = 150  # px
# Channels of the residual blocks in order, and the blocks that halve the resolution
WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
DOWN = (3, 7, 10, 13)


class DlibFace(DlibResNet):
    """Face crops [N, 3, H, W], RGB in [-1, 1] (resized to 150 px), to embeddings [N, 128]."""

    def __init__(self) -> None:
        super().__init__(WIDTHS, DOWN)
        self.head = nn.Linear(256, 128, bias_attr=False)

    def embed(self, faces: Tensor) -> Tensor:
        """FFHQ-aligned faces [N, 3, S, S] in [-1, 1] -> embeddings [N, 128]."""
        return self(face_chip(faces))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """The features [N, 256] that the last layer sees."""
        if x.shape[2:] != [SIZE, SIZE]:
            x = F.interpolate(x, size=[SIZE, SIZE], mode="bilinear", align_corners=False)
        return self.features(x)
