"""The modulated convolutions of StyleGAN2 (Karras et al. 2020, section 2.2), restructured for speed.

Without gradients, and on GPUs, the style scales the weight, not the feature map, and sqrt(2), demodulation and the
equalised scale go into the weight too. A batch becomes one grouped convolution, one group per sample.

With gradients on the CPU, the style scales the feature map and the demodulation scales the result. The gradient towards
a style is then a sum over pixels; in the first form it needs the gradient of the weight, which costs as much as the
convolution and which a frozen generator has no other use for. GPUs keep the first form because the scaled features
could overflow in float16.
"""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.ops.convolution import conv2d, conv2d_transpose
from work.models.ops.equalized import EqualLinear
from work.models.ops.one_pass import activate
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
    n, in_channels, height, width = x.shape
    out_channels, _, k, _ = weight.shape
    w = weight.unsqueeze(0) * style.reshape([n, 1, in_channels, 1, 1])
    if demodulate:
        w = w * (paddle.rsqrt(paddle.sum(w * w, axis=[2, 3, 4], keepdim=True) + 1e-8) * gain)
    elif gain != 1:
        w = w * gain
    if k == 1 and not upsample:
        w = w.reshape([n, out_channels, in_channels])
        return paddle.matmul(w, x.flatten(2)).reshape([n, out_channels, height, width])
    x = x.reshape([1, n * in_channels, height, width])
    if upsample:
        w = w.transpose([0, 2, 1, 3, 4]).reshape([n * in_channels, out_channels, k, k])
        out = conv2d_transpose(x, w, stride=2, groups=n)
    else:
        w = w.reshape([n * out_channels, in_channels, k, k])
        out = conv2d(x, w, padding=k // 2, groups=n)
    return out.reshape([n, out_channels, *out.shape[2:]])


def scales_features(x: Tensor, w: Tensor) -> bool:
    """Whether `convolve_scaled` is the faster form: on the CPU, where the gradient towards the latent w is wanted."""
    return x.place.is_cpu_place() and not w.stop_gradient


def convolve_scaled(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    upsample: bool = False,
    gain: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """`modulated_conv2d` (same arguments) by scaled features, before the last step.

    Returns:
        The convolution [N, O, H, W] and the factors [N, O] that it is still to be multiplied by.
    """
    x = activate(x, style)
    if upsample:
        out = conv2d_transpose(x, weight.transpose([1, 0, 2, 3]), stride=2)
    else:
        out = conv2d(x, weight, padding=weight.shape[2] // 2)
    if not demodulate:
        return out, paddle.full(out.shape[:2], gain)
    energy = paddle.matmul(style * style, (weight * weight).sum(axis=[2, 3]), transpose_y=True)
    return out, paddle.rsqrt(energy + 1e-8) * gain


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

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """Modulate, convolve and, if the layer up-samples, blur.

        Args:
            x: [N, in, H, W].
            w: [N, style_dim].

        Returns:
            [N, out, H, W], twice the size when up-sampling, times sqrt(2) with demodulation; and the factors [N, out]
            that it is still to be multiplied by, or None.
        """
        style, weight, factors = self.modulation(w), self.weight[0] * self.scale, None
        how = (self.demodulate, self.upsample, math.sqrt(2) if self.demodulate else 1)
        if weight.shape[2] > 1 and scales_features(x, w):
            x, factors = convolve_scaled(x, weight, style, *how)
        else:
            x = modulated_conv2d(x, weight, style, *how)
        return (upfirdn2d(x, self.blur_kernel, pad=self.blur_pad) if self.upsample else x), factors


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
        x, factors = self.conv(x, w)
        if noise is None:
            noise = paddle.randn([x.shape[0], 1, *x.shape[2:]]).astype(x.dtype)
        noise, bias = noise * (self.noise.weight * gain), self.activate.bias * gain
        if factors is not None:
            return activate(x, factors, noise, bias, 0.2)
        return F.leaky_relu(x + noise + bias.reshape([1, -1, 1, 1]), 0.2)


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
        x = self.conv(x, w)[0] + self.bias
        return x if skip is None else x + upfirdn2d(skip, self.kernel, up=2, pad=self.pad)
