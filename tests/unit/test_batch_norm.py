"""The running variance is PyTorch's, the unbiased one; all else about batch norm is Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from work.models.encoders.psp_encoders import BackboneEncoderUsingLastLayerIntoW
from work.models.ops import batch_norm
from work.models.ops.batch_norm import BatchNorm2D, SyncBatchNorm2D, stores_biased, synchronize


def running(batches: list[np.ndarray], momentum: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's running mean and variance after batches [N, C, H, W], in float64."""
    channels = batches[0].shape[1]
    mean, variance = np.zeros(channels), np.ones(channels)
    for batch in batches:
        rows = batch.astype(np.float64).transpose(1, 0, 2, 3).reshape(channels, -1)
        mean = momentum * mean + (1 - momentum) * rows.mean(axis=1)
        variance = momentum * variance + (1 - momentum) * rows.var(axis=1, ddof=1)
    return mean, variance


def batches(*shape: int, count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(2 + 3 * rng.standard_normal(shape)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (1, 3, 1, 2), (3, 2, 16, 16)])
@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.99])
def test_running_statistics_are_those_of_pytorch(shape, momentum):
    layer, seen = BatchNorm2D(shape[1], momentum=momentum), batches(*shape)
    for batch in seen:
        layer(paddle.to_tensor(batch))
    mean, variance = running(seen, momentum)
    np.testing.assert_allclose(layer._mean.numpy(), mean, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(layer._variance.numpy(), variance, rtol=2e-6)


def test_a_large_old_variance_does_not_swallow_the_new_one():
    layer, (batch,) = BatchNorm2D(1), batches(2, 1, 3, 3, count=1)
    layer._variance.set_value(np.array([9e4], np.float32))
    layer(paddle.to_tensor(batch))
    expected = 0.9 * 9e4 + 0.1 * batch.astype(np.float64).var(ddof=1)
    np.testing.assert_allclose(layer._variance.numpy(), [expected], rtol=2e-7)


def test_outputs_gradients_and_evaluation_are_paddles():
    shape = (2, 5, 4, 4)
    results = []
    for cls in (nn.BatchNorm2D, BatchNorm2D):
        layer, x = cls(5), paddle.to_tensor(batches(*shape)[0], stop_gradient=False)
        y = layer(x)
        (y * paddle.arange(y.size, dtype="float32").reshape(shape)).sum().backward()
        gradients = [x.grad.numpy(), layer.weight.grad.numpy(), layer.bias.grad.numpy()]
        layer.eval()
        layer._variance.set_value(np.full(5, 2, np.float32))
        layer._mean.set_value(np.full(5, 1, np.float32))
        results.append([y.numpy(), *gradients, layer(x).numpy(), layer._variance.numpy()])
        assert list(layer.state_dict()) == ["weight", "bias", "_mean", "_variance"]
    for ours, paddles in zip(*results):
        np.testing.assert_array_equal(ours, paddles)


def test_a_backward_pass_after_a_second_forward_pass_still_works():
    """The running variance changes in place between the two."""
    layer = BatchNorm2D(3)
    first, second = (
        layer(paddle.to_tensor(batch)).square().sum() for batch in batches(2, 3, 4, 4, count=2)
    )
    (first + second).backward()
    assert np.isfinite(layer.weight.grad.numpy()).all()


def test_the_device_is_asked_what_it_stores(monkeypatch):
    assert stores_biased("cpu")
    real = paddle.nn.functional.batch_norm

    def unbiased(x, mean, variance, *args, **keywords):
        """A kernel that stores the unbiased variance, as cuDNN's."""
        y = real(x, mean, variance, *args, **keywords)
        count = x.size // x.shape[1]
        variance.set_value(variance * count / (count - 1))
        return y

    monkeypatch.setattr(batch_norm.F, "batch_norm", unbiased)
    assert stores_biased.__wrapped__("gpu:0") is False
    monkeypatch.setattr(batch_norm, "stores_biased", lambda device: False)
    layer, plain = BatchNorm2D(2), nn.BatchNorm2D(2)  # left alone where the kernel is right already
    (batch,) = batches(2, 2, 3, 3, count=1)
    layer(paddle.to_tensor(batch)), plain(paddle.to_tensor(batch))
    np.testing.assert_allclose(layer._variance.numpy(), plain._variance.numpy(), rtol=3e-7)


def test_synchronised_layers_count_the_faces_of_all_gpus(monkeypatch):
    """Paddle's kernel is for GPUs. It stores the biased variance of all batches; here both GPUs have the same batch."""
    monkeypatch.setattr(nn.SyncBatchNorm, "forward", nn.BatchNorm2D.forward)
    monkeypatch.setattr(nn.SyncBatchNorm, "_check_data_format", lambda self, *_: None)
    monkeypatch.setattr(nn.SyncBatchNorm, "_check_input_dim", lambda self, x: None, raising=False)
    monkeypatch.setattr(nn.SyncBatchNorm, "_use_global_stats", None, raising=False)
    net = nn.Sequential(BatchNorm2D(2), nn.ReLU())
    weight = net[0].weight
    synced = synchronize(net, world=2)
    assert isinstance(synced[0], SyncBatchNorm2D) and synced[0].weight is weight
    (batch,) = batches(1, 2, 2, 2, count=1)
    synced(paddle.to_tensor(batch))
    _, variance = running([np.concatenate([batch, batch])])
    np.testing.assert_allclose(synced[0]._variance.numpy(), variance, rtol=2e-6)


def test_the_encoders_batch_norms_are_these():
    with paddle.LazyGuard():
        encoder = BackboneEncoderUsingLastLayerIntoW(50, "ir_se", 3)
    norms = [x for x in encoder.sublayers() if isinstance(x, nn.layer.norm._BatchNormBase)]
    assert len(norms) > 40 and all(isinstance(x, BatchNorm2D) for x in norms)
