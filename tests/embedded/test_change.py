"""What the composite of the embedded model keeps of a photo."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.composite import GATE_OLDER, Composite, head_template

AXIS, GENDER = np.eye(512)[0], np.eye(512)[1]


def pictures(seed=0, size=64):
    rng = np.random.RandomState(seed)
    smooth = rng.uniform(-0.8, 0.8, (3, 3, 8, 8)).astype(np.float32)
    big = paddle.nn.functional.interpolate(
        paddle.to_tensor(smooth), size=[size, size], mode="bilinear"
    )
    return big[:1], big[1:2], big[2:]


def test_no_edit_gives_the_photo_back():
    photo, inverted, _ = pictures()
    found = Composite(photo, inverted)(inverted, paddle.to_tensor([GATE_OLDER]))
    np.testing.assert_allclose(found.numpy(), photo.numpy(), atol=1e-6)


def test_outside_the_mask_nothing_changes():
    photo, inverted, aged = pictures()
    found = Composite(photo, inverted)(aged, paddle.to_tensor([GATE_OLDER])).numpy()
    outside = np.broadcast_to(head_template(64).numpy() == 0, found.shape)
    assert outside.mean() > 0.1
    np.testing.assert_array_equal(found[outside], photo.numpy()[outside])
    assert np.abs(found - photo.numpy()).max() > 0.1


def test_grey_photos_stay_grey_beside_coloured_ones():
    photo, inverted, aged = pictures()
    photos = paddle.concat([photo, photo[:, :1].expand_as(photo)])
    inverted, aged = inverted.tile([2, 1, 1, 1]), aged.tile([2, 1, 1, 1])
    gate = paddle.to_tensor([GATE_OLDER] * 2)
    coloured, grey = Composite(photos, inverted)(aged, gate).numpy()
    np.testing.assert_allclose(grey - grey[:1], 0, atol=1e-6)
    np.testing.assert_array_equal(
        coloured, Composite(photo, inverted[:1])(aged[:1], gate[:1])[0].numpy()
    )


def test_the_mask_opens_only_where_the_photo_was_understood():
    photo, _, _ = pictures()
    hidden = photo.clone()
    hidden[:, :, 40:, :] = 1.0
    mask = Composite(hidden, photo).mask.numpy()[0, 0]
    template = head_template(64).numpy()[0, 0]
    assert mask[20, 32] == pytest.approx(template[20, 32], abs=0.02)
    assert mask[52, 32] < 0.6 * template[52, 32]
