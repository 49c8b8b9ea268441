"""Hats stay on, and the generator's clothes do not colour a neck."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import skimage.data
from PIL import Image

from tests.embedded.test_change import pictures
from work.faces.head_mask import BROW, CLOTHES
from work.inference.composite import (
    GATE_OLDER,
    NEAR_COLOUR,
    Composite,
    calm_clothes,
    without_colours,
)
from work.inference.embedded.hats import HatReader, below_hat
from work.loading import load_lpips
from work.training.embedded.fit_hats import auc, left_out

SIZE = 64


def photo(picture: np.ndarray) -> paddle.Tensor:
    small = np.asarray(Image.fromarray(picture).resize((256, 256)), np.float32)
    return paddle.to_tensor(small.transpose(2, 0, 1)[None] / 127.5 - 1)


def test_a_bare_head_is_no_hat_and_a_hood_is_one():
    """The astronaut's head is bare (NASA, public domain); a dark hood is painted over the hair."""
    crop = skimage.data.astronaut()[0:220, 114:334].copy()
    bare = photo(crop)
    y, x = np.mgrid[0:220, 0:220] / 220
    hood = ((x - 0.5) / 0.48) ** 2 + ((y - 0.4) / 0.42) ** 2 < 1
    face = ((x - 0.5) / 0.24) ** 2 + ((y - 0.55) / 0.3) ** 2 < 1
    crop[hood & ~face & (y < 0.75)] = (40, 60, 120)
    reader = HatReader(load_lpips())
    before, after = float(reader(bare)), float(reader(photo(crop)))
    assert before == 0.0 and after > before


def test_what_is_above_the_brim_stays():
    photos, inverted, aged = pictures()
    gate = paddle.to_tensor([GATE_OLDER])
    rows = (np.arange(SIZE) + 0.5) / SIZE
    bare = Composite(photos, inverted)(aged, gate).numpy()
    for hat, same in ((0.0, True), (1.0, False)):
        may_change = below_hat(paddle.to_tensor([hat]), SIZE)
        found = Composite(photos, inverted, may_change=may_change)(aged, gate).numpy()
        assert np.array_equal(found, bare) == same
    above, below = rows < BROW[0], rows > BROW[1]
    assert np.array_equal(found[:, :, above], photos.numpy()[:, :, above])
    assert np.array_equal(found[:, :, below], bare[:, :, below])


def test_a_neck_does_not_turn_red():
    skin = paddle.full([1, 3, SIZE, SIZE], 0.2)
    red = skin + paddle.to_tensor([0.5, -0.5, -0.5]).reshape([1, 3, 1, 1])
    calm = calm_clothes(red, skin)
    rows = (np.arange(SIZE) + 0.5) / SIZE
    face, clothes = rows < CLOTHES[0], rows > CLOTHES[1]
    assert np.array_equal(calm.numpy()[:, :, face], red.numpy()[:, :, face])
    colours = (calm - without_colours(calm)).numpy()[:, :, clothes]
    assert np.abs(colours).max() < 1.5 * NEAR_COLOUR  # it was 0.7
    assert np.allclose(calm_clothes(skin + 0.3, skin).numpy(), (skin + 0.3).numpy())  # greys may


def test_the_fit_tells_apart_what_can_be_told_apart():
    rng = np.random.default_rng(0)
    worn = (np.arange(100) % 5 == 0).astype(float)
    features = rng.standard_normal((100, 30))
    assert auc(left_out(features, worn), worn) < 0.75
    assert auc(left_out(features + 3 * worn[:, None], worn), worn) > 0.99
    assert auc(np.array([0.1, 0.9, 0.2, 0.3]), np.array([0.0, 1, 0, 0])) == pytest.approx(1)
