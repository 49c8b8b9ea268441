"""Inputs that are worse than their targets: pSp's super-resolution and frontalisation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from work.configs.options import TestOptions
from work.configs.resize_factors import parse_factors
from work.datasets.degrade import blurred, lower_resolution, mirrored, shrinking
from work.errors import UserError


def kernel(x):
    """The cubic kernel of a = -1/2, written out."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


@pytest.mark.parametrize("factor", [1, 2, 4, 32])
def test_shrinking_is_a_strided_convolution_over_mirrored_pixels(factor):
    row, taps = np.random.default_rng(0).random(256), 4 * factor
    weights = np.array([kernel((i - taps // 2 + 0.5) / factor) for i in range(taps)])
    pad = 3 * factor
    padded = np.pad(row, (pad // 2, pad - pad // 2), mode="reflect")
    windows = [padded[i * factor : i * factor + taps] for i in range(256 // factor)]
    expected = np.array(windows) @ (weights / weights.sum())
    assert np.abs(shrinking(256, factor) @ row - expected).max() < 1e-5


def test_low_resolution_is_smooth_and_keeps_colours():
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    rough = []
    for factor in (1, 4, 16):
        pixels = np.asarray(lower_resolution(picture, factor), np.float32)
        assert pixels.shape == (256, 256, 3)
        assert np.abs(pixels.mean((0, 1)) - np.asarray(picture).mean((0, 1))).max() < 2
        rough.append(np.abs(np.diff(pixels, axis=1)).mean())
    assert rough[0] > 3 * rough[1] > 9 * rough[2]
    grey = Image.new("RGB", (256, 256), (10, 100, 200))
    assert np.abs(np.asarray(lower_resolution(grey, 8), int) - (10, 100, 200)).max() <= 1


def test_each_face_of_a_batch_has_its_own_draw():
    faces = np.random.default_rng(2).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32)
    turned = mirrored(faces, np.array([True, False]))
    assert np.array_equal(turned[0], faces[0, :, :, ::-1]) and np.array_equal(turned[1], faces[1])
    low = blurred(faces, np.array([1, 8]))
    assert low.shape == faces.shape and low.dtype == np.float32
    assert np.abs(np.diff(low[1])).mean() < 0.2 * np.abs(np.diff(low[0])).mean()


def test_factors_of_a_command_line():
    assert parse_factors("1,2, 32") == [1, 2, 32]
    assert TestOptions(resize_factors="8").resize_factor == 8
    for text in ("3", "", "8,x", "64"):
        with pytest.raises(UserError, match="--resize_factors"):
            parse_factors(text)
    with pytest.raises(UserError, match="one factor at a time"):
        TestOptions(resize_factors="4,8")
