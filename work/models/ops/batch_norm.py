"""Batch norm whose running variance is PyTorch's, the unbiased one, on every device.

Both frameworks normalise a batch by its biased variance, the mean squared deviation. PyTorch then averages the unbiased
variance, which is n / (n - 1) times as large, into the running variance that evaluation uses. What Paddle averages
depends on the kernel. Biased: its CPU kernel (phi/kernels/cpu/batch_norm_kernel.cc), its own CUDA and HIP kernels
(phi/kernels/gpu/batch_norm_kernel.cu) and SyncBatchNorm (phi/kernels/gpu/sync_batch_norm_utils.h). Unbiased: cuDNN,
which NVIDIA GPUs use for pictures. Each device is therefore asked once, with a batch of two numbers.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn


class BatchNorm2D(nn.BatchNorm2D):
    """`nn.BatchNorm2D` with an unbiased running variance; parameters have the same names."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        count = x.size // x.shape[1]
        return _train(self, super().forward, x, count, stores_biased(paddle.device.get_device()))


class SyncBatchNorm2D(nn.SyncBatchNorm):
    """`nn.SyncBatchNorm` with an unbiased running variance, over the batches of `world` GPUs."""

    world = 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        count = self.world * x.size // x.shape[1]
        return _train(self, super().forward, x, count, biased=True)


def synchronize(layer: nn.Layer, world: int) -> nn.Layer:
    """Replace every BatchNorm2D in a layer by a SyncBatchNorm2D with the same parameters."""
    if isinstance(layer, BatchNorm2D):
        synced = SyncBatchNorm2D(layer._num_features, layer._momentum, layer._epsilon)
        for name in ("weight", "bias", "_mean", "_variance"):
            setattr(synced, name, getattr(layer, name))
        synced.world = world
        return synced
    for name, child in layer.named_children():
        layer.add_sublayer(name, synchronize(child, world))
    return layer


@functools.cache
def stores_biased(device: str) -> bool:
    """Whether batch norm on the current device, called `device`, stores the biased variance."""
    mean, variance, one = paddle.zeros([1]), paddle.zeros([1]), paddle.ones([1])
    batch = paddle.to_tensor([0.0, 2.0]).reshape([1, 1, 2, 1])  # its variance: 1 biased, 2 unbiased
    with paddle.no_grad():
        F.batch_norm(batch, mean, variance, one, one, training=True, momentum=0.0)
    return float(variance) < 1.5


def _train(
    layer: Any, forward: Callable[[Tensor], Tensor], x: Tensor, count: int, biased: bool
) -> Tensor:
    """A layer's own forward pass over a batch of `count` numbers per channel; the running averages are updated here.

    For the pass, temporary tensors replace the layer's running averages, and its momentum is 0, so that they receive
    the batch's statistics. (The pass keeps its tensors for the gradient, so the layer's own, which change afterwards,
    must not be among them.)
    """
    kept, momentum = dict(layer._parameters), layer._momentum
    mean, variance = paddle.zeros_like(layer._mean), paddle.zeros_like(layer._variance)
    layer._parameters.update(_mean=mean, _variance=variance)
    layer._momentum = 0.0
    try:
        y = forward(x)
    finally:
        layer._parameters.update(kept)
        layer._momentum = momentum
    with paddle.no_grad():
        unbiased = variance * (count / max(count - 1, 1)) if biased else variance
        for average, new in ((layer._mean, mean), (layer._variance, unbiased)):
            average.scale_(momentum).add_(new * (1 - momentum))
    return y
