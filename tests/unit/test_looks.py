"""Random looks at faces for an age network."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.training.looks import change_of_age, draw_look

SIZE = 32


def faces(seed=0):
    drawn = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 3, 1, 1)) * np.ones(
        (1, 1, SIZE, SIZE)
    )
    return paddle.to_tensor(drawn.astype(np.float32))


def brightness(x):
    """An age network whose years are known: 50 for grey, 100 for white."""
    return 50 * (x.mean(axis=[1, 2, 3]) + 1)


def stripes_network(x):
    """An age network that takes fine stripes for 40 years."""
    return 20 * (x[:, :, :, ::2] - x[:, :, :, 1::2]).mean(axis=[1, 2, 3])


def test_a_look_keeps_the_shape_and_is_the_same_for_the_same_draw():
    first, second = (draw_look(SIZE, np.random.default_rng(3)) for _ in range(2))
    seen = first(faces())
    assert seen.shape == [2, 3, SIZE, SIZE]
    assert np.array_equal(seen.numpy(), second(faces()).numpy())
    assert not np.array_equal(
        seen.numpy(), draw_look(SIZE, np.random.default_rng(4))(faces()).numpy()
    )


def test_the_change_of_age_is_that_between_source_and_output():
    x = faces()
    change = change_of_age(brightness, x, x + 0.2, 8, np.random.default_rng(0))
    assert change.tolist() == pytest.approx([10, 10], rel=0.1)  # 50 * 0.2, contrast varies
    assert change_of_age(brightness, x, x, 3, np.random.default_rng(0)).tolist() == [0, 0]


def test_fine_stripes_please_a_network_at_one_look_only():
    x, stripes = faces(), paddle.ones([1, 3, SIZE, SIZE])
    stripes[:, :, :, 1::2] = -1.0
    made = x + stripes * 0.5
    assert stripes_network(made).tolist() == pytest.approx([20, 20], abs=0.1)
    seen = change_of_age(stripes_network, x, made, 16, np.random.default_rng(0))
    assert seen.abs().max() < 7


def test_the_gradient_reaches_the_output_alone():
    x, made = faces(), faces(1)
    x.stop_gradient = made.stop_gradient = False
    change_of_age(brightness, x, made, 2, np.random.default_rng(0)).sum().backward()
    assert x.grad is None and float(made.grad.abs().sum()) > 0
