"""DEX: apparent age from a VGG16 with 101 classes (Rothe et al. 2018)."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import Conv2D

# Output channels of each convolution, by block; a max pool follows each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class DexVGG(nn.Layer):
    """Faces to the logits of the ages 0..100."""

    def __init__(self):
        super().__init__()
        channels = 3
        for b, block in enumerate(BLOCKS, 1):
            for c, out in enumerate(block, 1):
                self.add_sublayer(f"conv{b}_{c}", Conv2D(channels, out, 3, padding=1))
                channels = out
        self.fc6 = nn.Linear(512 * 7 * 7, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8_101 = nn.Linear(4096, 101)

    def forward(self, x: Tensor) -> Tensor:
        """Faces [N, 3, H, W] in [-1, 1], resized to 224 px -> logits [N, 101]."""
        if x.shape[2:] != [224, 224]:
            x = F.interpolate(x, size=[224, 224], mode="bilinear", align_corners=False)
        for b, block in enumerate(BLOCKS, 1):
            for c in range(1, len(block) + 1):
                x = F.relu(getattr(self, f"conv{b}_{c}")(x))
            x = F.max_pool2d(x, 2, 2)
        x = F.dropout(F.relu(self.fc6(x.flatten(1))), 0.5, training=self.training)
        x = F.dropout(F.relu(self.fc7(x)), 0.5, training=self.training)
        return self.fc8_101(x)

    def predict_age(self, x: Tensor) -> Tensor:
        """The expected age in years, [N]: the mean of 0..100 under the softmax (section 3.2)."""
        return expected_age(self(x))


def expected_age(logits: Tensor) -> Tensor:
    """Logits [N, 101] -> years [N]."""
    ages = paddle.arange(logits.shape[1], dtype=logits.dtype)
    return paddle.sum(F.softmax(logits, axis=1) * ages, axis=1)
