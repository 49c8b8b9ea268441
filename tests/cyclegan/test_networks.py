"""Generator and discriminator: equal to a second computation, blind to nothing they are told, with the known sizes."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.cyclegan import by_hand
from work.models.cyclegan.cyclegan import CycleGAN
from work.models.cyclegan.discriminator import Discriminator
from work.models.cyclegan.generator import Generator, blocks_for
from work.models.cyclegan.layers import draw_weights


def weights(layer):
    """Larger than at the start, so that every layer matters; biases too."""
    rng = np.random.default_rng(3)
    for parameter in layer.parameters():
        parameter.set_value(rng.normal(0, 0.2, parameter.shape).astype(np.float32))
    return {name: p.numpy().astype(np.float64) for name, p in layer.named_parameters()}


def faces(*shape):
    return np.random.default_rng(4).uniform(-1, 1, shape).astype(np.float32)


def numbers(*values):
    return paddle.to_tensor(values, dtype="float32")


def test_generator_equals_the_layers_by_hand():
    net, x = Generator(4, 2), faces(2, 3, 16, 20)
    expected = by_hand.generator(weights(net), x.astype(np.float64), 2)
    assert np.abs(net(paddle.to_tensor(x)).numpy() - expected).max() < 1e-4


def test_generator_that_resizes_equals_the_layers_by_hand():
    net, x = Generator(4, 1, upsample="resize"), faces(1, 3, 16, 20)
    expected = by_hand.generator(weights(net), x.astype(np.float64), 1, up=by_hand.resized)
    assert np.abs(net(paddle.to_tensor(x)).numpy() - expected).max() < 1e-4


def test_generator_that_is_told_ages_equals_the_layers_by_hand():
    net, x = Generator(4, 1, planes=2), faces(1, 3, 16, 16)
    expected = by_hand.generator(weights(net), x.astype(np.float64), 1, (0.45, -0.5))
    found = net(paddle.to_tensor(x), numbers(45), numbers(-20)).numpy()
    assert np.abs(found - expected).max() < 1e-4


def test_a_residual_generator_adds_what_it_draws_to_the_face():
    net, x = Generator(4, 1, residual=True), faces(1, 3, 16, 16)
    expected = x + by_hand.generator(weights(net), x.astype(np.float64), 1)
    assert np.abs(net(paddle.to_tensor(x)).numpy() - expected).max() < 1e-4


def test_a_residual_generators_change_is_in_proportion_to_the_years():
    net, x = Generator(4, 1, planes=2, residual=True), paddle.to_tensor(faces(1, 3, 16, 16))
    weights(net)
    assert np.array_equal(net(x, numbers(30), numbers(0)).numpy(), x.numpy())
    whole = by_hand.generator(weights(net), x.numpy().astype(np.float64), 1, (0.3, -0.5))
    found = net(x, numbers(30), numbers(-20)).numpy()
    assert np.abs(found - x.numpy() - whole / 2).max() < 1e-4


def test_residual_generators_start_with_no_change():
    net, x = CycleGAN(4, 4, 1, residual=True), paddle.to_tensor(faces(1, 3, 16, 16))
    assert np.array_equal(net.older(x).numpy(), x.numpy())
    assert abs(net.older.first.weight.numpy().std() - 0.02) < 2e-3


def test_discriminator_equals_the_layers_by_hand():
    net, x = Discriminator(4), faces(2, 3, 64, 64)
    expected = by_hand.discriminator(weights(net), x.astype(np.float64))
    found = net(paddle.to_tensor(x)).numpy()
    assert found.shape == (2, 1, 6, 6)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("told", [(30, 40), (60, 20)], ids=["years", "age"])
def test_a_constant_plane_is_not_lost_in_instance_norm(told):
    net, x = Generator(8, 1, planes=2), paddle.to_tensor(faces(1, 3, 16, 16))
    draw_weights(net, np.random.default_rng(0))
    first, second = net(x, numbers(30), numbers(20)), net(x, *map(numbers, told))
    assert float((first - second).abs().max()) > 1e-4


def test_the_discriminator_sees_the_age_it_is_told():
    net, x = Discriminator(8, planes=1), paddle.to_tensor(faces(1, 3, 64, 64))
    draw_weights(net, np.random.default_rng(0))
    assert float((net(x, numbers(20)) - net(x, numbers(70))).abs().max()) > 1e-3


def test_receptive_field_is_70_pixels():
    """What a gradient reaches in the middle of a large picture."""
    net = Discriminator(2)
    for conv in net.convs:
        conv.normed = False  # instance norm looks at the whole picture
        conv.weight.set_value(np.ones(conv.weight.shape, np.float32))
    x = paddle.ones([1, 3, 160, 160])
    x.stop_gradient = False
    net(x)[0, 0, 9, 9].backward()
    reached = np.argwhere(x.grad.numpy()[0, 0])
    assert (reached.max(0) - reached.min(0) + 1).tolist() == [70, 70]


def test_weights_start_with_a_deviation_of_2_percent():
    net = CycleGAN(16, 16, 2, conditioned=True, seed=5)
    for name, parameter in net.named_parameters():
        values = parameter.numpy()
        if name.endswith("bias"):
            assert not values.any()
        elif values.size > 5000:
            assert abs(values.std() - 0.02) < 1e-3 and abs(values.mean()) < 1e-3
    again, other = (
        CycleGAN(16, 16, 2, True, seed=seed).older.last.weight.numpy() for seed in (5, 6)
    )
    assert np.array_equal(net.older.last.weight.numpy(), again)
    assert not np.array_equal(again, other)


def test_blocks_by_size():
    assert [blocks_for(size) for size in (64, 128, 256, 512)] == [6, 6, 9, 9]
