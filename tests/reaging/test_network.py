"""The re-ageing U-Net: no change at the start, any multiple of 16, within its budget, and it sees the whole face."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import paddle
import pytest

from work.configs.kinds import REAGER
from work.errors import UserError
from work.models.checkpoint import save_checkpoint
from work.models.ops import convolution
from work.models.reaging import unet
from work.models.reaging.reaging import Reaging
from work.models.reaging.shipped import load_reager, ship
from work.models.reaging.unet import STEP, ReagingNet, double, halve, smooth

MOST_GMAC, MOST_MB = 15.0, 12.0  # at 512 px, in float16


def ages(*years: float) -> paddle.Tensor:
    return paddle.to_tensor(years, dtype="float32")


def drawn(shape) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    return ReagingNet()


@pytest.fixture(scope="module")
def trained():
    """A network whose last layer is not zero any more."""
    net = ReagingNet(seed=1)
    net.last.weight.set_value(0.1 * drawn(net.last.weight.shape))
    return net


@pytest.mark.parametrize("height, width", [(16, 16), (64, 96), (160, 48)])
def test_it_starts_without_a_change_at_any_multiple_of_16(net, height, width):
    faces = paddle.to_tensor(drawn([2, 3, height, width]))
    change = net(faces, ages(20, 30), ages(80, 30))
    assert change.shape == [2, 3, height, width]
    assert float(change.abs().max()) == 0


def test_it_stays_within_15_gmac_and_12_mb(net):
    counted, real = [], convolution.conv2d

    def conv2d(x, weight, *rest):
        result = real(x, weight, *rest)
        counted.append(math.prod(result.shape) * math.prod(weight.shape[1:]))
        return result

    side = 128
    with (
        mock.patch.object(convolution, "conv2d", conv2d),
        mock.patch.object(unet, "conv2d", conv2d),
    ):
        with paddle.no_grad():
            net(paddle.zeros([1, 3, side, side]), ages(20), ages(80))
    layers = sum(isinstance(layer, paddle.nn.Conv2D) for layer in net.sublayers())
    assert len(counted) == layers + len(net.down) + 1  # and the fixed filters: none was missed
    assert 5 < sum(counted) / 1e9 * (512 / side) ** 2 <= MOST_GMAC
    assert 5 < sum(math.prod(p.shape) for p in net.parameters()) * 2 / 1e6 <= MOST_MB


def test_a_pixel_depends_on_the_whole_face(trained):
    faces = paddle.to_tensor(drawn([1, 3, 384, 384]))
    faces.stop_gradient = False
    trained(faces, ages(20), ages(80))[0, :, 192, 192].sum().backward()
    seen = faces.grad.abs().sum(axis=[0, 1]).numpy() > 0
    corners = [seen[:16, :16], seen[:16, -16:], seen[-16:, :16], seen[-16:, -16:]]
    assert all(corner.any() for corner in corners)


def test_both_ages_matter(trained):
    faces = paddle.to_tensor(drawn([1, 3, 32, 32]))
    with paddle.no_grad():
        made = [trained(faces, ages(a), ages(b)).numpy() for a, b in ((20, 80), (30, 80), (20, 70))]
    assert np.abs(made[0] - made[1]).max() > 1e-4
    assert np.abs(made[0] - made[2]).max() > 1e-4


def test_what_a_seed_draws_is_the_same_every_time():
    first, second, other = (ReagingNet(seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["told.weight"], other["told.weight"])


def test_what_has_a_period_of_two_pixels_passes_no_filter():
    stripes = paddle.to_tensor(np.tile([1.0, -1.0], 8), dtype="float32").expand([1, 2, 16, 16])
    for filtered in (halve(stripes), smooth(stripes)):
        assert float(filtered[:, :, 1:-1, 1:-1].abs().max()) < 1e-6
    flat = paddle.ones([1, 2, 16, 16])
    for filtered in (halve(flat), smooth(flat), double(flat)):
        assert float((filtered[:, :, 1:-1, 1:-1] - 1).abs().max()) < 1e-6


def test_doubling_is_zeros_between_the_pixels_and_the_filter():
    x = paddle.to_tensor(drawn([1, 2, 8, 8]))
    taps = paddle.to_tensor(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16, dtype="float32")
    kernel = taps.expand([2, 1, 4, 4])
    wanted = paddle.nn.functional.conv2d_transpose(x, kernel, stride=2, padding=1, groups=2)
    assert np.allclose(double(x)[:, :, 2:-2, 2:-2], wanted[:, :, 2:-2, 2:-2], atol=1e-6)


def test_shipped_weights_draw_the_same_and_hold_no_discriminator(tmp_path):
    net = Reaging(ndf=2, seed=1)
    net.reager.last.weight.set_value(0.1 * drawn(net.reager.last.weight.shape))
    last = tmp_path / "checkpoints" / "last.pdparams"
    last.parent.mkdir()
    save_checkpoint(last, "reaging", net.state_dict(), None, {}, checksum=True)
    assert ship(tmp_path) == tmp_path / REAGER
    assert (tmp_path / REAGER).stat().st_size < MOST_MB * 1e6
    faces = paddle.to_tensor(drawn([1, 3, 2 * STEP, STEP]))
    for source in (tmp_path, tmp_path / REAGER):
        shipped = load_reager(source)
        assert shipped.file == tmp_path / REAGER
        change = shipped.net(faces, ages(20), ages(80))
        assert change.stop_gradient
        assert np.allclose(change, net.reager(faces, ages(20), ages(80)), atol=2e-2)


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "sam.pdparams"
    save_checkpoint(path, "sam", {"a": np.zeros(3, np.float32)}, None, {})
    with pytest.raises(UserError, match="holds sam weights"):
        load_reager(path)
    with pytest.raises(UserError, match="reaging.pdparams"):
        load_reager(tmp_path)
