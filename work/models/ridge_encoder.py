"""A linear encoder from a face's AlexNet features to the generator's codes, fitted in closed form."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.mobile_stylegan import N_STYLES

# How many of the generator's N_STYLES styles share one code: those up to 16 px, up to 64 px, and the rest.
GROUPS = (7, 6, N_STYLES - 7 - 6)
CONV2, CONV3, PIXELS = 8, 6, 16  # px to which the two layers' maps and the image are averaged
N_FEATURES = 192 * CONV2**2 + 384 * CONV3**2 + 3 * PIXELS**2


class RidgeEncoder(nn.Layer):
    """Images [N, 3, 256, 256] in [-1, 1] -> whitened codes [N, N_STYLES, 512].

    Args:
        lpips: an LPIPS with AlexNet, whose backbone is shared.
        rank: columns of the reduced-rank weights.
    """

    def __init__(self, lpips: nn.Layer, rank: int) -> None:
        super().__init__()
        self.backbone = [lpips]  # in a list: shared, and not part of this layer's state
        for name, shape in (
            ("mean", [N_FEATURES]),
            ("scale", [N_FEATURES]),
            ("reduce", [N_FEATURES, rank]),
            ("expand", [rank, len(GROUPS) * 512]),
            ("bias", [len(GROUPS) * 512]),
        ):
            self.register_buffer(name, paddle.zeros(shape))

    def features(self, images: Tensor) -> Tensor:
        """[N, N_FEATURES]: conv2, conv3 and the image, each averaged down to a few pixels."""
        lpips = self.backbone[0]
        maps = lpips.net((images - lpips.shift) / lpips.scale)
        parts = [(maps[1], CONV2), (maps[2], CONV3), (images, PIXELS)]
        return paddle.concat(
            [F.adaptive_avg_pool2d(x, size).flatten(1) for x, size in parts], axis=1
        )

    def forward(self, images: Tensor) -> Tensor:
        x = (self.features(images) - self.mean) * self.scale
        codes = (x @ self.reduce @ self.expand + self.bias).reshape([-1, len(GROUPS), 512])
        return repeat_groups(codes)


def repeat_groups(groups: Tensor) -> Tensor:
    """One code per group of styles, [N, 3, 512] -> one per style, [N, N_STYLES, 512]."""
    parts = [groups[:, i : i + 1].tile([1, count, 1]) for i, count in enumerate(GROUPS)]
    return paddle.concat(parts, axis=1)
