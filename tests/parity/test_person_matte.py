"""The person matte against what MediaPipe's own interpreter makes of the same pictures."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.loading import load_network
from work.models.person_matte import SIZE


@pytest.fixture(scope="module")
def network():
    return load_network("person_matte")


@pytest.fixture(scope="module")
def cases(golden):
    """Three portraits of 64 px, every pixel four by four times, and every third row and column of their mattes."""
    data = golden("person_matte")
    photos = data["photos"].repeat(4, axis=2).repeat(4, axis=3).astype(np.float32) / 127.5 - 1
    return paddle.to_tensor(photos), data["mattes"]


@paddle.no_grad()
def test_mattes_are_the_originals(network, cases):
    photos, mattes = cases
    found = network(photos)
    assert found.shape == [3, 1, SIZE, SIZE]
    assert np.abs(found.numpy()[:, :, ::3, ::3] - mattes).max() < 1e-4
    assert 0.4 < mattes.mean() < 0.7  # they show both the person and the background


@paddle.no_grad()
@pytest.mark.parametrize("size", [96, 320, 512])
def test_a_photo_of_another_size_gets_a_matte_of_its_size(network, cases, size):
    photos, mattes = cases
    resized = paddle.nn.functional.interpolate(photos, [size, size], mode="bilinear")
    found = network(resized)
    assert found.shape == [3, 1, size, size]
    assert 0 <= float(found.min()) and float(found.max()) <= 1
    back = paddle.nn.functional.interpolate(found, [SIZE, SIZE], mode="bilinear")
    assert np.abs(back.numpy()[:, :, ::3, ::3] - mattes).mean() < 0.02
    step = (found[..., 1:] - found[..., :-1]).abs().max()  # soft edges, however large
    assert float(step) < 0.9 * max(1.0, SIZE / size)
