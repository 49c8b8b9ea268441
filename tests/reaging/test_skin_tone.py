"""Cheeks stay as bright as they were, hair and background do not matter."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.skin_tone import cheek_luma, face_mask, keep_tone

SIZE = 128


def flat(*levels: float) -> paddle.Tensor:
    return paddle.to_tensor(levels, "float32").reshape([-1, 1, 1, 1]).expand([-1, 3, SIZE, SIZE])


@pytest.mark.parametrize("darker", [-0.1, 0.15])
def test_cheeks_stay_as_bright_and_hair_may_change(darker):
    photos = flat(0.1, -0.4)
    changes = paddle.full_like(photos, darker)
    changes[:, :, : SIZE // 8] = 0.5  # hair turns grey
    kept = photos + keep_tone(photos, changes)
    assert np.allclose(cheek_luma(kept), cheek_luma(photos), rtol=0.05)
    assert np.allclose(kept[:, :, 0, 0], photos[:, :, 0, 0] + 0.5, atol=0.01)


def test_faces_do_not_touch_each_other():
    photos = flat(0.1, 0.1)
    changes = paddle.stack([paddle.zeros([3, SIZE, SIZE]), paddle.full([3, SIZE, SIZE], -0.2)])
    kept = keep_tone(photos, changes)
    assert not kept[0].abs().max() and kept[1, 0, SIZE * 5 // 8, SIZE // 2].abs() < 0.02


def test_wrinkles_stay():
    rng, photos = np.random.default_rng(0), flat(0.0)
    wrinkles = np.where(rng.random((1, 3, SIZE, SIZE)) < 0.1, -0.3, 0.0).astype("float32")
    changes = paddle.to_tensor(wrinkles)
    assert np.allclose(keep_tone(photos, changes), changes, atol=1e-6)


def test_the_mask_is_the_face():
    mask = face_mask(SIZE)[0, 0].numpy()
    assert mask[SIZE * 58 // 100, SIZE // 2] > 0.99 and mask[0, 0] < 1e-3 and mask[-1, 0] < 1e-3
