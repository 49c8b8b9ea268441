"""What the generators and discriminators of the CycleGAN family share: padding, normalisation, first weights."""

from __future__ import annotations

import numpy as np
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import conv2d, conv2d_transpose

DEVIATION = 0.02  # of the weights at the start


class Conv(nn.Layer):
    """A convolution with reflected or zero borders, whose bias is left out where instance norm would remove it.

    Args:
        size: of the kernel.
        reflect: pixels of reflected border; the rest of the border is zeros, `padding` of them.
        normed: instance norm without parameters follows. It subtracts the mean, so a bias would do nothing.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        stride: int = 1,
        padding: int = 0,
        reflect: int = 0,
        normed: bool = True,
    ):
        super().__init__()
        self.stride, self.padding, self.reflect, self.normed = stride, padding, reflect, normed
        self.weight = self.create_parameter([out, channels, size, size])
        self.bias = None if normed else self.create_parameter([out], is_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.reflect:
            x = F.pad(x, [self.reflect] * 4, mode="reflect")
        x = conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return F.instance_norm(x) if self.normed else x


class Upsample(nn.Layer):
    """Twice the resolution, then instance norm.

    Args:
        kind: "transposed", a transposed convolution as in CycleGAN; or "resize", nearest neighbours and a convolution,
            which cannot draw the checkerboard that the first one starts with (Odena et al. 2016, "Deconvolution and
            Checkerboard Artifacts").
    """

    def __init__(self, channels: int, out: int, kind: str = "transposed"):
        super().__init__()
        self.kind = kind
        shape = [channels, out, 3, 3] if kind == "transposed" else [out, channels, 3, 3]
        self.weight = self.create_parameter(shape)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', 2 H, 2 W]."""
        if self.kind == "transposed":
            return F.instance_norm(conv2d_transpose(x, self.weight, 2, padding=1, output_padding=1))
        x = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), [1] * 4, mode="reflect")
        return F.instance_norm(conv2d(x, self.weight, None, 1, 0))


def draw_weights(layer: nn.Layer, rng: np.random.Generator) -> None:
    """Draw all weights from N(0, 0.02); biases are 0 (Zhu et al. 2017, "Unpaired Image-to-Image Translation using
    Cycle-Consistent Adversarial Networks", section 7.1)."""
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            parameter.set_value(np.zeros(parameter.shape, np.float32))
        else:
            drawn = rng.standard_normal(parameter.shape, np.float32) * np.float32(DEVIATION)
            parameter.set_value(drawn)
