"""Layers with equalised learning rate (Karras et al. 2018, section 4.1) and StyleGAN2's activation."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn


def fused_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """sqrt(2) * leaky_relu(x + bias, 0.2), bias along axis 1. The gain keeps unit variance."""
    return F.leaky_relu(x + bias.reshape([1, -1] + [1] * (x.ndim - 2)), 0.2) * math.sqrt(2)


class PixelNorm(nn.Layer):
    """x / rms(x) over axis 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt(paddle.mean(x * x, axis=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Layer):
    """A linear layer whose weight is stored at unit variance and scaled at run time.

    `weight` is stored [in, out], as Paddle's own nn.Linear does.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        bias_init: float = 0.0,
        lr_mul: float = 1.0,
        activation=False,
    ):
        super().__init__()
        self.weight = self.create_parameter(
            [in_dim, out_dim], default_initializer=nn.initializer.Normal(0.0, 1.0 / lr_mul)
        )
        self.bias = self.create_parameter(
            [out_dim], default_initializer=nn.initializer.Constant(bias_init)
        )
        self.scale, self.lr_mul, self.activation = lr_mul / math.sqrt(in_dim), lr_mul, activation

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias * self.lr_mul if self.lr_mul != 1 else self.bias
        if self.activation:
            return fused_leaky_relu(paddle.matmul(x, self.weight * self.scale), bias)
        # Not addmm: its gradient crashes in Paddle 3.3 if the bias is frozen. Scaling the input is cheaper than
        # scaling the weight.
        return paddle.matmul(x * self.scale, self.weight) + bias
