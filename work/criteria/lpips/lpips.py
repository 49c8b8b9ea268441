"""LPIPS, the learned perceptual distance (Zhang et al. 2018), version 0.1 with linear heads."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from work.criteria.lpips.backbones import alexnet, vgg16
from work.models.ops.convolution import Conv2D

# ImageNet's mean and deviation for images in [-1, 1], as LPIPS rounds them.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class LPIPS(nn.Layer):
    """Perceptual distance of image pairs.

    Args:
        net: "alex" (the loss of SAM and pSp) or "vgg" (the projector's).

    Parameters are named `net.features.N.*` (torchvision) and `lin.N.weight` [1, C, 1, 1] (the v0.1 heads).
    """

    def __init__(self, net: str = "alex"):
        super().__init__()
        if net not in ("alex", "vgg"):
            raise ValueError(f'LPIPS: net is "alex" or "vgg", not {net!r}')
        self.net = alexnet() if net == "alex" else vgg16()
        self.lin = nn.LayerList([Conv2D(c, 1, 1, bias_attr=False) for c in self.net.channels])
        for name, values in (("shift", SHIFT), ("scale", SCALE)):
            self.register_buffer(
                name, paddle.to_tensor(values).reshape([1, 3, 1, 1]), persistable=False
            )

    def features(self, x: Tensor) -> list[Tensor]:
        """Images [N, 3, H, W] in [-1, 1] -> feature maps with channels of unit length, for `distance`."""
        return [_unit_channels(f) for f in self.net((x - self.shift) / self.scale)]

    def distance(self, x: list[Tensor], y: list[Tensor]) -> Tensor:
        """The distance [N] of each pair of `features` (equation 1 of the paper)."""
        parts = [lin((a - b) ** 2).mean(axis=[1, 2, 3]) for lin, a, b in zip(self.lin, x, y)]
        return paddle.add_n(parts)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] -> distances [N]; SAM's loss is their mean."""
        return self.distance(self.features(x), self.features(y))


def _unit_channels(x: Tensor, eps: float = 1e-10) -> Tensor:
    # The clip keeps the root's gradient finite at pixels without any response.
    norm = paddle.sqrt(paddle.clip(paddle.sum(x * x, axis=1, keepdim=True), min=eps**2))
    return x / (norm + eps)
