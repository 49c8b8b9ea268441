"""Whether numbers are right: the Ranger operator, mixed precision and synchronised batch norm against plain Paddle."""

from __future__ import annotations

from typing import cast

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.checks.outcome import Missing
from work.compiler import BuildError
from work.models.ops.batch_norm import BatchNorm2D, synchronize
from work.training.precision import Precision
from work.training.ranger import Ranger
from work.training.ranger_op.step import load_compiled

RANGER_STEPS = 20
RANGER_TOLERANCE = 1e-5  # of the largest weight; both are float32
AMP_TOLERANCE = 0.02  # half precision keeps 8 (bfloat16) or 11 (float16) bits
BATCH_NORM_TOLERANCE = 1e-4


def small_network() -> nn.Sequential:
    """A convolution, a batch norm and a linear layer, the same weights each time."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(
        nn.Conv2D(3, 16, 3, padding=1),
        BatchNorm2D(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 64, 8),
    )
    for parameter in net.parameters():
        if parameter.ndim > 1:
            parameter.set_value(rng.normal(0, 0.1, parameter.shape).astype(np.float32))
    return net


def inputs(n: int = 16) -> Tensor:
    """Random pictures [n, 3, 8, 8], the same each time."""
    values = np.random.default_rng(1).standard_normal((n, 3, 8, 8)).astype(np.float32)
    return paddle.to_tensor(values)


def ranger() -> str:
    """Training steps with the compiled Ranger end at the weights of those in plain Paddle."""
    place = paddle.zeros([1]).place
    try:
        load_compiled(place)
    except BuildError as error:
        raise Missing(f"plain Paddle computes instead: {error}") from error
    ends = [_trained("compiled"), _trained("ref")]
    largest = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(*ends))
    text = f"{RANGER_STEPS} steps on {place} differ by {largest:.1e} (tolerance {RANGER_TOLERANCE:.0e})"
    return _judged(text, largest, RANGER_TOLERANCE)


def _trained(impl: str) -> list[np.ndarray]:
    """The weights after some steps towards random targets."""
    net, rng = small_network(), np.random.default_rng(2)
    optimizer = Ranger(1e-2, net.parameters(), weight_decay=0.01, impl=impl)
    gradients = [rng.standard_normal(p.shape).astype(np.float32) for p in net.parameters()]
    for step in range(RANGER_STEPS):
        for parameter, gradient in zip(net.parameters(), gradients):
            if not parameter.stop_gradient:
                parameter.grad = paddle.to_tensor(gradient * np.float32(1 + 0.1 * step))
        optimizer.step()
    return [p.numpy() for p in net.parameters() if not p.stop_gradient]


def mixed_precision(dtype: str = "float16") -> str:
    """One training step under autocast: the loss is that of float32, and the scaled step changes the weights."""
    losses = []
    for level in (None, "O1"):
        net, precision = small_network(), Precision(level, dtype, gpu=True)
        optimizer = paddle.optimizer.SGD(1e-2, net.parameters())
        before = net[0].weight.numpy()
        with precision.autocast():
            loss = F.mse_loss(net(inputs()).astype("float32"), paddle.ones([16, 8]))
        precision.backward(loss)
        precision.step([optimizer])
        if not np.isfinite(net[0].weight.numpy()).all() or (net[0].weight.numpy() == before).all():
            raise RuntimeError(f"{level or 'float32'}: the step left the weights as they were")
        losses.append(float(loss))
    error = abs(losses[1] - losses[0]) / losses[0]
    text = f"{dtype}: the loss differs by {error:.1e} (tolerance {AMP_TOLERANCE:g})"
    return _judged(text, error, AMP_TOLERANCE)


def sync_batch_norm() -> str:
    """On one GPU a synchronised batch norm is a batch norm, in its output and in its statistics."""
    synced = cast(nn.Sequential, synchronize(small_network(), world=1))
    return compare_batch_norms(small_network(), synced)


def compare_batch_norms(plain: nn.Sequential, other: nn.Sequential) -> str:
    """Compare two networks of `small_network`'s shape in training mode."""
    error = float((plain(inputs()) - other(inputs())).abs().max())
    for name in ("_mean", "_variance"):
        error = max(error, float((getattr(plain[1], name) - getattr(other[1], name)).abs().max()))
    text = f"differs from BatchNorm2D by {error:.1e} (tolerance {BATCH_NORM_TOLERANCE:.0e})"
    return _judged(text, error, BATCH_NORM_TOLERANCE)


def _judged(text: str, error: float, tolerance: float) -> str:
    """The text, as an error if the tolerance is not kept (or the error is not a number)."""
    if not error <= tolerance:
        raise RuntimeError(text)
    return text
