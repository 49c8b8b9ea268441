"""The modulated convolutions of StyleGAN2 (Karras et al. 2020, section 2.2), restructured for speed.

The style scales the weight, not the feature map, and sqrt(2), demodulation and the equalised scale go into
the weight too. A batch becomes one grouped convolution, one group a sample.
"""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import conv2d, conv2d_transpose
from work.models.ops.equalized import EqualLinear
from work.models.ops.upfirdn2d import make_kernel, upfirdn2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    upsample: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Convolve each sample with a weight scaled by its own style.

    Args:
        x: [N, I, H, W].
        weight: [O, I, k, k], already at its run-time scale; k is odd.
        style: [N, I].
        demodulate: divide each output filter by its norm (Karras et al. 2020, equation 3).
        upsample: a transposed convolution of stride 2: the result is [N, O, 2H + k - 2, 2W + k - 2].
        gain: factor on the result.

    Returns:
        [N, O, H, W] (same size) when not up-sampling.
    """
    if x.place.is_cpu_place() and paddle.is_grad_enabled() and not style.stop_gradient:
        return _scaled_features(x, weight, style, demodulate, upsample, gain)
    n, in_channels, height, width = x.shape
    out_channels, _, k, _ = weight.shape
    w = weight.unsqueeze(0) * style.reshape([n, 1, in_channels, 1, 1])
    if demodulate:
        w = w * (paddle.rsqrt(paddle.sum(w * w, axis=[2, 3, 4], keepdim=True) + 1e-8) * gain)
    elif gain != 1:
        w = w * gain
    x = x.reshape([1, n * in_channels, height, width])
    if upsample:
        w = w.transpose([0, 2, 1, 3, 4]).reshape([n * in_channels, out_channels, k, k])
        out = F.conv2d_transpose(x, w, stride=2, groups=n)
    else:
        w = w.reshape([n * out_channels, in_channels, k, k])
        out = F.conv2d(x, w, padding=k // 2, groups=n)
    return out.reshape([n, out_channels, *out.shape[2:]])


def _scaled_features(x, weight, style, demodulate, upsample, gain) -> Tensor:
    """The same numbers with the feature map scaled before, and demodulated after one ungrouped convolution."""
    n, in_channels, height, width = x.shape
    k = weight.shape[2]
    if k == 1:
        w = (weight[:, :, 0, 0] * style.unsqueeze(1)) * gain
        return paddle.matmul(w, x.flatten(2)).reshape([n, -1, height, width])
    x = x * style.reshape([n, in_channels, 1, 1])
    if upsample:
        out = conv2d_transpose(x, weight.transpose([1, 0, 2, 3]), stride=2)
    else:
        out = conv2d(x, weight, padding=k // 2)
    if demodulate:
        energy = paddle.matmul(style * style, paddle.sum(weight * weight, axis=[2, 3]), transpose_y=True)
        out = out * (paddle.rsqrt(energy + 1e-8) * gain).unsqueeze([2, 3])
    return out


class ModulatedConv2D(nn.Layer):
    """Weight [1, out, in, k, k] and the affine map from a style vector to its input scales."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        style_dim,
        demodulate=True,
        upsample=False,
        taps=None,
    ):
        super().__init__()
        self.weight = self.create_parameter(
            [1, out_channels, in_channels, kernel_size, kernel_size],
            default_initializer=nn.initializer.Normal(0.0, 1.0),
        )
        self.modulation = EqualLinear(style_dim, in_channels, bias_init=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.demodulate, self.upsample = demodulate, upsample
        if upsample:
            self.blur_kernel = make_kernel(taps) * 4
            pad = len(self.blur_kernel) - kernel_size - 1
            self.blur_pad = ((pad + 1) // 2 + 1, pad // 2 + 1)

    def forward(self, x: Tensor, w: Tensor, gain: float = 1.0) -> Tensor:
        """x [N, in, H, W], w [N, style_dim] -> [N, out, H, W], or twice the size when up-sampling."""
        style = self.modulation(w)
        x = modulated_conv2d(
            x, self.weight[0] * self.scale, style, self.demodulate, self.upsample, gain
        )
        return upfirdn2d(x, self.blur_kernel, pad=self.blur_pad) if self.upsample else x


class NoiseInjection(nn.Layer):
    """The learned strength of a layer's noise, weight [1]."""

    def __init__(self):
        super().__init__()
        self.weight = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))


class FusedLeakyReLU(nn.Layer):
    """The bias of a layer's activation, [channels]."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = self.create_parameter(
            [channels], default_initializer=nn.initializer.Constant(0.0)
        )


class StyledConv(nn.Layer):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(
        self, in_channels, out_channels, kernel_size, style_dim, upsample=False, taps=(1, 3, 3, 1)
    ):
        super().__init__()
        self.conv = ModulatedConv2D(
            in_channels, out_channels, kernel_size, style_dim, upsample=upsample, taps=taps
        )
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """noise is [1 or N, 1, H', W'], or None for fresh noise of the output's size.

        leaky_relu(sqrt(2) y) = sqrt(2) leaky_relu(y), so the gain is applied where tensors are small.
        """
        gain = math.sqrt(2)
        x = self.conv(x, w, gain)
        if noise is None:
            noise = paddle.randn([x.shape[0], 1, *x.shape[2:]]).astype(x.dtype)
        x = x + noise * (self.noise.weight * gain)
        return F.leaky_relu(x + (self.activate.bias * gain).reshape([1, -1, 1, 1]), 0.2)


class ToRGB(nn.Layer):
    """1x1 modulated convolution to RGB, added to the up-sampled RGB of the level below."""

    def __init__(self, in_channels, style_dim, upsample=True, taps=(1, 3, 3, 1)):
        super().__init__()
        self.bias = self.create_parameter(
            [1, 3, 1, 1], default_initializer=nn.initializer.Constant(0.0)
        )
        self.conv = ModulatedConv2D(in_channels, 3, 1, style_dim, demodulate=False)
        if upsample:
            self.kernel = make_kernel(taps) * 4
            pad = len(self.kernel) - 2
            self.pad = ((pad + 1) // 2 + 1, pad // 2)

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.conv(x, w) + self.bias
        return x if skip is None else x + upfirdn2d(skip, self.kernel, up=2, pad=self.pad)
