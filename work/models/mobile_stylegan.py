"""MobileStyleGAN: a small face generator, distilled from StyleGAN2-FFHQ (Belousov 2021, arXiv 2104.04767).

StyleGAN2's 3x3 convolutions are split into depthwise and 1x1 ones, skip connections are gone, upsampling is
an inverse Haar transform, and the last layer predicts the image's four Haar bands. There is no demodulation
left (it was folded away by the authors), and noise is a learned map, not drawn.
"""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from work.models.freezing import freeze
from work.models.ops.convolution import conv2d

STYLE_DIM = 512
N_STYLES = 23
# From 8 to 512 px: (channels after upsampling, channels after both convolutions)
WIDTHS = ((128, 512), (128, 512), (128, 512), (128, 512), (128, 256), (64, 128), (32, 64))


class Style(nn.Layer):
    """Affine map from w to the scales of `channels` feature maps. Weight [512, channels]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([STYLE_DIM, channels])
        self.bias = self.create_parameter([channels], is_bias=True)

    def forward(self, w: paddle.Tensor) -> paddle.Tensor:
        return F.linear(w, self.weight, self.bias).unsqueeze(-1).unsqueeze(-1)


class NoisyConv(nn.Layer):
    """A modulated convolution with a learned noise map: dense 3x3, or 3x3 depthwise then 1x1.

    Scales act on input channels, so they commute with the depthwise part; for one image they are multiplied
    into the 1x1 weights, which saves a pass over the feature maps.
    """

    def __init__(self, channels_in: int, channels: int, resolution: int, separable: bool) -> None:
        super().__init__()
        self.padding = 0 if separable else 1
        size = 1 if separable else 3
        self.weight = self.create_parameter([channels, channels_in, size, size])
        self.depthwise = self.create_parameter([channels_in, 1, 3, 3]) if separable else None
        self.noise = self.create_parameter([1, 1, resolution, resolution], is_bias=True)
        self.bias = self.create_parameter([channels], is_bias=True)
        self.style = Style(channels_in)
        self.shift: paddle.Tensor | None = None

    def freeze(self) -> None:
        """Keep noise + bias as one full-size map: its broadcast costs as much as both convolutions."""
        self.shift = (self.noise + self.bias.reshape([1, -1, 1, 1])).detach()

    def forward(self, x: paddle.Tensor, w: paddle.Tensor, coarse: bool = False) -> paddle.Tensor:
        scale = self.style(w)
        single = scale.shape[0] == 1
        weight = self.weight * scale if single else self.weight
        x = x if single else x * scale
        if self.depthwise is not None:
            x = conv2d(x, self.depthwise, padding=1, groups=self.depthwise.shape[0])
        x = conv2d(x, weight, padding=self.padding)
        if coarse:  # at half the resolution, where the noise map averages out
            return F.leaky_relu(x + self.bias.reshape([1, -1, 1, 1]), 0.2)
        shift = self.noise + self.bias.reshape([1, -1, 1, 1]) if self.shift is None else self.shift
        return F.leaky_relu(x + shift, 0.2)


class HaarUpsample(nn.Layer):
    """Inverse Haar transform (x2) of channels stored as [LL, LH, HL, HH] per output channel.

    One grouped 1x1 convolution and a pixel shuffle; the factor 1/2 lives in the weights before it.
    """

    def __init__(self) -> None:
        super().__init__()
        signs = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], np.float32)
        self.register_buffer(
            "signs", paddle.to_tensor(signs.reshape(4, 4, 1, 1)), persistable=False
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        batch, channels, height, width = x.shape
        bands = x.reshape([batch * channels // 4, 4, height, width])
        pixels = conv2d(bands, self.signs).reshape([batch, channels, height, width])
        return F.pixel_shuffle(pixels, 2)


class Block(nn.Layer):
    """Haar upsampling and two separable convolutions; takes three consecutive styles."""

    def __init__(self, channels_in: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.up = Style(4 * channels_in)
        self.haar = HaarUpsample()
        self.conv1 = NoisyConv(channels_in, channels, resolution, separable=True)
        self.conv2 = NoisyConv(channels, channels, resolution, separable=True)

    def forward(
        self, x: paddle.Tensor, styles: list[paddle.Tensor], coarse: bool = False
    ) -> paddle.Tensor:
        bands = x * self.up(styles[0])
        x = bands[:, ::4] if coarse else self.haar(bands)  # the LL bands are the block averages
        return self.conv2(self.conv1(x, styles[1], coarse), styles[2], coarse)


class ToImage(nn.Layer):
    """The image's Haar bands from the last feature maps, 12 channels as [LL, LH, HL, HH] per colour."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([12, channels_in, 1, 1])
        self.bias = self.create_parameter([12], is_bias=True)
        self.style = Style(channels_in)

    def forward(self, x: paddle.Tensor, w: paddle.Tensor, half: bool) -> paddle.Tensor:
        weight, bias = self.weight, self.bias
        if half:  # the LL band is the box-downsampled image itself
            weight, bias = weight[::4], bias[::4]
        return conv2d(x * self.style(w), weight, bias)


class MobileStyleGAN(nn.Layer):
    """Mapping and synthesis networks; images of 1024 px in about [-1, 1] (values may overshoot a little).

    Args of forward:
        w: [N, 512] (one code for every layer) or [N, N_STYLES, 512] (W+).
        half: return the 512 px box-downsample instead, at a quarter of the last layer's cost.
    """

    n_styles = N_STYLES
    size = 1024

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.LayerList([nn.Linear(STYLE_DIM, STYLE_DIM) for _ in range(8)])
        self.const = self.create_parameter([1, STYLE_DIM, 4, 4])
        self.conv1 = NoisyConv(STYLE_DIM, STYLE_DIM, 4, separable=False)
        self.layers = nn.LayerList(
            [Block(entering, left, 8 * 2**i) for i, (entering, left) in enumerate(WIDTHS)]
        )
        self.haar = HaarUpsample()
        self.to_img = ToImage(WIDTHS[-1][1])

    def freeze(self) -> MobileStyleGAN:
        """For use as a fixed generator (call after loading): no parameter gradients, constants summed once."""
        freeze(self)
        for layer in self.sublayers():
            if isinstance(layer, NoisyConv):
                layer.freeze()
        return self

    def mean_latent(self, n_latent: int = 4096) -> paddle.Tensor:
        """The mean w of `n_latent` random z, [1, 512]."""
        return self.map(paddle.randn([n_latent, STYLE_DIM])).mean(axis=0, keepdim=True)

    def map(self, z: paddle.Tensor) -> paddle.Tensor:
        """Normal samples [N, 512] -> w [N, 512]."""
        x = z / (z.square().mean(axis=1, keepdim=True) + 1e-8).sqrt()
        for layer in self.mapping:
            x = F.leaky_relu(layer(x), 0.2) * float(np.sqrt(2.0))
        return x

    def preview(self, w: paddle.Tensor) -> paddle.Tensor:
        """A rough picture, [N, 3, 256, 256], at two thirds of the cost of a half one.

        The last block works on averages of 2 x 2 pixels. The result is 0.05 off the true picture (root mean square):
        good enough for the first steps of an inversion.
        """
        return self._synthesise(w, coarse=True, half=True)

    def forward(self, w: paddle.Tensor, half: bool = False) -> paddle.Tensor:
        return self._synthesise(w, coarse=False, half=half)

    def _synthesise(self, w: paddle.Tensor, coarse: bool, half: bool) -> paddle.Tensor:
        styles = [w] * N_STYLES if w.ndim == 2 else paddle.unbind(w, axis=1)
        x = self.const if w.shape[0] == 1 else self.const.expand([w.shape[0], -1, -1, -1])
        x = self.conv1(x, styles[0])
        for index, block in enumerate(self.layers):
            last = index == len(self.layers) - 1
            x = block(x, styles[1 + 3 * index : 4 + 3 * index], coarse and last)
        bands = self.to_img(x, styles[-1], half)
        return bands if half else self.haar(bands)
