"""SAM's ageing loss: how far the predicted age is from the target age."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn


class AgingLoss(nn.Layer):
    """The squared error of ages in centuries, as a frozen network reads them (SAM, equation 5).

    Args:
        net: has `predict_age`: faces [N, 3, 256, 256] in [-1, 1] -> years [N]; for example DexVGG.
    """

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    def ages(self, images: Tensor) -> Tensor:
        """Images [N, 3, 256, 256] in [-1, 1] -> ages in centuries [N]."""
        return self.net.predict_age(images) / 100

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Ages in centuries [N] -> their mean squared difference."""
        return F.mse_loss(predicted, target)
