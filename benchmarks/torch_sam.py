"""SAM in plain PyTorch, layer by layer as the papers describe it: what the benchmarks compare with.

Needs torch, which the package itself does not. It loads official checkpoints strictly and does nothing
clever: one grouped convolution per modulated layer, the FIR filters by inserting zeros, three networks a
face and age.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


def upfirdn2d(x, kernel, up=1, pad=(0, 0)):
    n, c, h, w = x.shape
    x = x.reshape(n * c, 1, h, 1, w, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1]).reshape(n * c, 1, h * up, w * up)
    x = F.conv2d(F.pad(x, [*pad, *pad]), kernel.flip(0, 1)[None, None])
    return x.reshape(n, c, *x.shape[2:])


class EqualLinear(nn.Module):
    def __init__(self, inputs, outputs, lr_mul=1.0, activate=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_mul)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale, self.lr_mul, self.activate = lr_mul / math.sqrt(inputs), lr_mul, activate

    def forward(self, x):
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.leaky_relu(x, 0.2) * math.sqrt(2) if self.activate else x


class PixelNorm(nn.Module):
    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class FIR(nn.Module):
    def __init__(self, up, pad):
        super().__init__()
        self.register_buffer("kernel", torch.empty(4, 4))
        self.up, self.pad = up, pad

    def forward(self, x):
        return upfirdn2d(x, self.kernel, self.up, self.pad)


class ModulatedConv(nn.Module):
    def __init__(self, inputs, outputs, k, demodulate=True, up=False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, outputs, inputs, k, k))
        self.modulation = EqualLinear(512, inputs)
        self.demodulate = demodulate
        self.blur = FIR(1, (1, 1)) if up else None

    def forward(self, x, style):
        n, c, h, w = x.shape
        scale = 1 / math.sqrt(c * self.weight.shape[-1] ** 2)
        weight = self.weight * scale * self.modulation(style).reshape(n, 1, c, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum([2, 3, 4], keepdim=True) + 1e-8)
        x = x.reshape(1, n * c, h, w)
        if self.blur is None:
            weight = weight.flatten(0, 1)
            y = F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=n)
            return y.reshape(n, -1, h, w)
        weight = weight.transpose(1, 2).flatten(0, 1)
        y = F.conv_transpose2d(x, weight, stride=2, groups=n)
        return self.blur(y.reshape(n, -1, *y.shape[2:]))


class Scalar(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))


class Bias(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(channels))


class StyledConv(nn.Module):
    def __init__(self, inputs, outputs, up=False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, up=up)
        self.noise, self.activate = Scalar(), Bias(outputs)

    def forward(self, x, w, noise):
        x = self.conv(x, w) + self.noise.weight * noise
        return F.leaky_relu(x + self.activate.bias.reshape(1, -1, 1, 1), 0.2) * math.sqrt(2)


class ToRGB(nn.Module):
    def __init__(self, inputs, up=True):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(1, 3, 1, 1))
        self.conv = ModulatedConv(inputs, 3, 1, demodulate=False)
        if up:
            self.upsample = FIR(2, (2, 1))

    def forward(self, x, w, skip=None):
        x = self.conv(x, w) + self.bias
        return x if skip is None else x + self.upsample(skip)


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.input = nn.Parameter(torch.empty(1, 512, 4, 4))


class Noises(nn.Module):
    def __init__(self, count):
        super().__init__()
        for i in range(count):
            r = 2 ** ((i + 5) // 2)
            self.register_buffer(f"noise_{i}", torch.empty(1, 1, r, r))


class Generator(nn.Module):
    def __init__(self, size):
        super().__init__()
        levels = int(math.log2(size))
        self.n_latent = 2 * levels - 2
        self.style = nn.Sequential(
            PixelNorm(), *[EqualLinear(512, 512, 0.01, True) for _ in range(8)]
        )
        self.input, self.conv1, self.to_rgb1 = Constant(), StyledConv(512, 512), ToRGB(512, False)
        self.convs, self.to_rgbs, c = nn.ModuleList(), nn.ModuleList(), 512
        for level in range(3, levels + 1):
            out = min(512, 2**15 // 2**level)
            self.convs += [StyledConv(c, out, up=True), StyledConv(out, out)]
            self.to_rgbs.append(ToRGB(out))
            c = out
        self.noises = Noises(self.n_latent - 1)

    def forward(self, w):
        noise = [getattr(self.noises, f"noise_{i}") for i in range(self.n_latent - 1)]
        x = self.conv1(self.input.input.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        skip = self.to_rgb1(x, w[:, 1])
        for i, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i](x, w[:, 2 * i + 1], noise[2 * i + 1])
            x = self.convs[2 * i + 1](x, w[:, 2 * i + 2], noise[2 * i + 2])
            skip = to_rgb(x, w[:, 2 * i + 3], skip)
        return skip


class SE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1 = nn.Conv2d(c, c // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(c // 16, c, 1, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class Block(nn.Module):
    def __init__(self, c, d, stride):
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride)
            if c == d
            else nn.Sequential(nn.Conv2d(c, d, 1, stride, bias=False), nn.BatchNorm2d(d))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(c),
            nn.Conv2d(c, d, 3, 1, 1, bias=False),
            nn.PReLU(d),
            nn.Conv2d(d, d, 3, stride, 1, bias=False),
            nn.BatchNorm2d(d),
            SE(d),
        )

    def forward(self, x):
        return self.res_layer(x) + self.shortcut_layer(x)


class Head(nn.Module):
    def __init__(self, spatial):
        super().__init__()
        convs = []
        for _ in range(int(math.log2(spatial))):
            convs += [nn.Conv2d(512, 512, 3, 2, 1), nn.LeakyReLU()]
        self.convs, self.linear = nn.Sequential(*convs), EqualLinear(512, 512)

    def forward(self, x):
        return self.linear(self.convs(x).flatten(1))


class Encoder(nn.Module):
    def __init__(self, input_nc, n_styles):
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(input_nc, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks, c = [], 64
        for d, count in ((64, 3), (128, 4), (256, 14), (512, 3)):
            for i in range(count):
                blocks.append(Block(c, d, 2 if i == 0 else 1))
                c = d
        self.body = nn.ModuleList(blocks)
        spatial = [16 if i < 3 else 32 if i < 7 else 64 for i in range(n_styles)]
        self.styles = nn.ModuleList([Head(s) for s in spatial])
        self.latlayer1, self.latlayer2 = nn.Conv2d(256, 512, 1), nn.Conv2d(128, 512, 1)

    def forward(self, x):
        x, maps = self.input_layer(x), []
        for i, block in enumerate(self.body):
            x = block(x)
            if i in (6, 20, 23):
                maps.append(x)
        fine, middle, coarse = maps
        up = dict(mode="bilinear", align_corners=True)
        middle = self.latlayer1(middle) + F.interpolate(coarse, size=middle.shape[2:], **up)
        fine = self.latlayer2(fine) + F.interpolate(middle, size=fine.shape[2:], **up)
        inputs = [coarse] * 3 + [middle] * 4 + [fine] * (len(self.styles) - 7)
        return torch.stack([head(m) for head, m in zip(self.styles, inputs)], 1)


class SAM(nn.Module):
    def __init__(self, size, latent_avg):
        super().__init__()
        n = 2 * int(math.log2(size)) - 2
        self.encoder, self.pretrained_encoder = Encoder(4, n), Encoder(3, n)
        self.decoder, self.latent_avg = Generator(size), latent_avg

    @torch.no_grad()
    def forward(self, x):
        """[N, 4, 256, 256] -> [N, 3, size, size], three networks as in the official code."""
        return self.decoder(self.encoder(x) + (self.pretrained_encoder(x[:, :3]) + self.latent_avg))


def load(path):
    """An official checkpoint of SAM, loaded strictly."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    state = saved["state_dict"]
    size = 4 * 2 ** sum(k.endswith("upsample.kernel") for k in state)
    with torch.device("meta"):
        net = SAM(size, None)
    net.load_state_dict(state, strict=True, assign=True)
    net.latent_avg = saved["latent_avg"]
    return net.eval()
