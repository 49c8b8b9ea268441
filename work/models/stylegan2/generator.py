"""The StyleGAN2 generator (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020)."""

from __future__ import annotations

import math
from typing import Sequence

import paddle
from paddle import Tensor, nn

from work.models.ops.equalized import EqualLinear, PixelNorm
from work.models.stylegan2.layers import StyledConv, ToRGB


def channels_at(resolution: int, channel_multiplier: int = 2) -> int:
    """Feature maps at a resolution in pixels; config-f of the paper has multiplier 2."""
    return 512 if resolution <= 32 else 16384 * channel_multiplier // resolution


def n_styles(size: int) -> int:
    """Style inputs of a generator of `size` pixels: 18 at 1024."""
    return 2 * int(math.log2(size)) - 2


class ConstantInput(nn.Layer):
    def __init__(self, channels: int, size: int = 4):
        super().__init__()
        self.input = self.create_parameter(
            [1, channels, size, size], default_initializer=nn.initializer.Normal(0.0, 1.0)
        )


class StoredNoise(nn.Layer):
    """One fixed noise map per convolution, `noise_i` [1, 1, r, r], kept as buffers."""

    def __init__(self, size: int):
        super().__init__()
        for i in range(n_styles(size) - 1):
            r = 2 ** ((i + 5) // 2)
            self.register_buffer(f"noise_{i}", paddle.randn([1, 1, r, r]))

    def maps(self) -> list[Tensor]:
        return [getattr(self, f"noise_{i}") for i in range(len(self._buffers))]


class Generator(nn.Layer):
    """z -> w -> image.

    Args:
        size: pixels of a side, a power of two from 8 to 1024.
        style_dim: length of z and w.
        n_mlp: layers of the mapping network.
        channel_multiplier: 2 for config-f, 1 for config-e.
    """

    def __init__(
        self,
        size: int,
        style_dim: int = 512,
        n_mlp: int = 8,
        channel_multiplier: int = 2,
    ):
        super().__init__()
        if size < 8 or size & (size - 1):
            raise ValueError(f"Generator: size is a power of two from 8 up, not {size}")
        self.size, self.style_dim, self.n_latent = size, style_dim, n_styles(size)
        self.recompute = False  # True: save memory and compute each level's activations twice
        mapping = [
            EqualLinear(style_dim, style_dim, lr_mul=0.01, activation=True) for _ in range(n_mlp)
        ]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        channels = channels_at(4, channel_multiplier)
        self.input = ConstantInput(channels)
        self.conv1 = StyledConv(channels, channels, 3, style_dim)
        self.to_rgb1 = ToRGB(channels, style_dim, upsample=False)
        self.convs, self.to_rgbs = nn.LayerList(), nn.LayerList()
        for level in range(3, int(math.log2(size)) + 1):
            out = channels_at(2**level, channel_multiplier)
            self.convs.append(StyledConv(channels, out, 3, style_dim, upsample=True))
            self.convs.append(StyledConv(out, out, 3, style_dim))
            self.to_rgbs.append(ToRGB(out, style_dim))
            channels = out
        self.noises = StoredNoise(size)

    def mean_latent(self, n_latent: int = 4096) -> Tensor:
        """The mean w of `n_latent` random z, [1, style_dim]."""
        return self.style(paddle.randn([n_latent, self.style_dim])).mean(axis=0, keepdim=True)

    def forward(
        self,
        styles: Sequence[Tensor],
        input_is_latent: bool = False,
        randomize_noise: bool = True,
        noise: Sequence[Tensor] | None = None,
        truncation: float = 1.0,
        truncation_latent: Tensor | None = None,
        inject_index: int | None = None,
        return_latents: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Make images.

        Args:
            styles: one tensor, or two that are mixed: z or w [N, 512], or w_plus [N, n_latent, 512].
            input_is_latent: `styles` are w or w_plus already, not z.
            randomize_noise: fresh noise; else the stored maps.
            noise: other noise maps, one [1 or N, 1, r, r] per convolution.
            truncation: below 1 pulls w towards `truncation_latent`, which is needed then.
            inject_index: first layer of the second style; random when None.
            return_latents: also return the w_plus in use.

        Returns:
            Images [N, 3, size, size], roughly in [-1, 1], and w_plus [N, n_latent, 512] or None.
        """
        if not input_is_latent:
            styles = [self.style(z) for z in styles]
        if truncation < 1:
            if truncation_latent is None:
                raise ValueError(
                    "Generator: truncation needs truncation_latent, the w to pull towards"
                )
            styles = [truncation_latent + truncation * (w - truncation_latent) for w in styles]
        w_plus = self._per_layer(styles, inject_index)
        maps: Sequence[Tensor | None]
        if noise is not None:
            maps = noise
        else:
            maps = [None] * (self.n_latent - 1) if randomize_noise else self.noises.maps()
        image = self.synthesis(w_plus, maps)
        return image, w_plus if return_latents else None

    def _per_layer(self, styles: Sequence[Tensor], inject_index: int | None) -> Tensor:
        first = styles[0]
        if len(styles) == 1:
            return first if first.ndim == 3 else first.unsqueeze(1).tile([1, self.n_latent, 1])
        if inject_index is None:
            inject_index = int(paddle.randint(1, self.n_latent, [1]))
        rows = [w if w.ndim == 3 else w.unsqueeze(1).tile([1, self.n_latent, 1]) for w in styles]
        return paddle.concat([rows[0][:, :inject_index], rows[1][:, inject_index:]], axis=1)

    def synthesis(self, w_plus: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """w_plus [N, n_latent, 512] and a noise map (or None) per convolution -> [N, 3, size, size]."""
        w = paddle.unbind(w_plus, axis=1)
        x = self.conv1(self.input.input.tile([w_plus.shape[0], 1, 1, 1]), w[0], noise[0])
        skip = self.to_rgb1(x, w[1])
        for level in range(len(self.to_rgbs)):
            i = 2 * level + 1
            run = self._recomputed if self.recompute else self._level
            x, skip = run(level, x, skip, *w[i : i + 3], *noise[i : i + 2])
        return skip

    def _level(self, level: int, x, skip, w0, w1, w2, noise0, noise1) -> tuple[Tensor, Tensor]:
        """Twice the resolution: features and RGB of one level -> those of the next."""
        x = self.convs[2 * level](x, w0, noise0)
        x = self.convs[2 * level + 1](x, w1, noise1)
        return x, self.to_rgbs[level](x, w2, skip)

    def _recomputed(self, level: int, x, skip, w0, w1, w2, *noise) -> tuple[Tensor, Tensor]:
        from paddle.distributed.fleet.utils import recompute

        shape = [x.shape[0], 1, 2 * x.shape[2], 2 * x.shape[3]]  # drawn once, not twice
        maps = [paddle.randn(shape) if n is None else n for n in noise]
        return recompute(self._level, level, x, skip, w0, w1, w2, *maps, preserve_rng_state=False)
