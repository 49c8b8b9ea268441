"""Refining on a toy generator whose pictures are linear in the codes."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from work.inference.embedded.inversion import Inverter, rate_share
from work.models.face_chip import face_chip


class ToyGenerator:
    """512 px pictures: a fixed basis, mixed by the mean of all codes and a little by the first one."""

    def __init__(self):
        rng = np.random.RandomState(0)
        self.basis = paddle.to_tensor(rng.uniform(-1, 1, (512, 3 * 8 * 8)).astype(np.float32) / 16)

    def preview(self, w):
        mixed = 0.9 * w.mean(axis=1) + 0.1 * w[:, 0]
        small = (mixed @ self.basis).reshape([-1, 3, 8, 8])
        return F.interpolate(small, size=[256, 256], mode="bilinear")

    def __call__(self, w, half):
        return F.interpolate(self.preview(w), size=[512, 512], mode="bilinear")


class ToyLPIPS:
    def features(self, x):
        return [F.avg_pool2d(x, 32)]

    def distance(self, x, y):
        return ((x[0] - y[0]) ** 2).mean(axis=[1, 2, 3])


class ToyIdentity:
    def embed(self, faces):
        return face_chip(faces).mean(axis=[2, 3])


@pytest.fixture(scope="module")
def inverter():
    mean, scatter = paddle.zeros([512]), paddle.eye(512)
    return Inverter(ToyGenerator(), ToyLPIPS(), ToyIdentity(), mean, scatter)


def test_the_face_comes_nearer_and_codes_stay_together(inverter):
    code = np.random.RandomState(1).standard_normal((1, 1, 512)).astype(np.float32)
    with paddle.no_grad():
        face = inverter.generator.preview(paddle.to_tensor(np.repeat(code, 23, axis=1)))
    start = paddle.zeros([1, 23, 512])
    found = inverter.refine(face, start, 30)
    with paddle.no_grad():
        before, after = (
            F.mse_loss(inverter.generator.preview(x), face).item() for x in (start, found)
        )
    assert after < 0.2 * before
    spread = (found - found.mean(axis=1, keepdim=True)).square().mean().item()
    assert spread < 0.05 * found.square().mean().item()


def test_a_face_is_learned_where_no_gradients_are_wanted(inverter):
    face, start = paddle.rand([1, 3, 256, 256]), paddle.zeros([1, 23, 512])
    expected = inverter.refine(face, start, 3)
    with paddle.no_grad():
        found = inverter.refine(face, start, 3)
    assert expected.abs().max() > 0
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_every_step_is_told(inverter):
    told = []
    inverter.refine(paddle.zeros([1, 3, 256, 256]), paddle.ones([1, 23, 512]), 4, told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_no_step_is_the_encoder_alone(inverter):
    start = paddle.ones([1, 23, 512])
    face = paddle.zeros([1, 3, 256, 256])
    assert inverter.refine(face, start, 0) is start


def test_the_rate_rises_holds_and_falls():
    rates = [rate_share(step, 20) for step in range(20)]
    assert rates[0] == pytest.approx(1 / 3) and max(rates) == 1.0 and rates[3] == 1.0
    assert rates[-1] < 0.1 and min(rates) >= 0.05


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_the_chip_is_a_square_of_the_same_share(size):
    height, width = face_chip(paddle.zeros([1, 3, size, size])).shape[2:]
    assert abs(height - width) <= 1
    assert height / size == pytest.approx(0.687, abs=0.004)
