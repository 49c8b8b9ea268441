"""What mattes of the person do to a composite; the mattes here are made by hand."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.composite import GATE_OLDER, Composite
from work.loading import load_network

SIZE = 64
LEFT, MIDDLE = np.s_[:, :, :, :24], np.s_[:, :, :, 24:40]


@pytest.fixture(scope="module")
def pictures():
    """A photo, its inverted face and an aged one, [1, 3, 64, 64] each: smooth colours."""
    colours = np.random.default_rng(0).uniform(-0.8, 0.8, (3, 3, 8, 8)).astype(np.float32)
    big = paddle.nn.functional.interpolate(
        paddle.to_tensor(colours), size=[SIZE, SIZE], mode="bilinear"
    )
    return big[:1], big[1:2], big[2:]


def shows(*parts):
    """A matte with 1 in these parts."""
    matte = np.zeros((1, 1, SIZE, SIZE), np.float32)
    for part in parts:
        matte[part] = 1
    return paddle.to_tensor(matte)


def blend(pictures, aged, *mattes):
    """The composite when the photo, then what was blended, have these mattes; without any if there are none."""
    photo, inverted, _ = pictures
    each = iter(mattes)
    composite = Composite(photo, inverted, (lambda images: next(each)) if mattes else None)
    return composite(aged, paddle.full([len(aged)], GATE_OLDER)).numpy()


def test_the_background_stays_and_the_person_changes_as_before(pictures):
    photo, _, aged = pictures
    found = blend(pictures, aged, shows(LEFT), shows(LEFT))
    without = blend(pictures, aged)
    np.testing.assert_allclose(found[LEFT], without[LEFT], atol=1e-6)
    rest = np.s_[:, :, :, 24:]
    np.testing.assert_array_equal(found[rest], photo.numpy()[rest])
    assert np.abs(without[rest] - photo.numpy()[rest]).max() > 0.1


def test_a_head_that_has_grown_is_shown_whole(pictures):
    _, _, aged = pictures
    found = blend(pictures, aged, shows(LEFT), shows(LEFT, MIDDLE))
    without = blend(pictures, aged)
    for part in (LEFT, MIDDLE):
        np.testing.assert_allclose(found[part], without[part], atol=1e-6)


def test_several_ages_of_one_photo_have_their_own_mattes(pictures):
    photo, _, aged = pictures
    both = paddle.concat([shows(LEFT), shows(LEFT, MIDDLE)])
    found = blend(pictures, aged.tile([2, 1, 1, 1]), shows(LEFT), both)
    np.testing.assert_array_equal(found[0][None][MIDDLE], photo.numpy()[MIDDLE])
    assert np.abs(found[1][None][MIDDLE] - photo.numpy()[MIDDLE]).max() > 0.1


def test_without_a_change_the_photo_comes_back_whatever_the_matte_sees(pictures):
    photo, inverted, _ = pictures
    composite = Composite(photo, inverted, load_network("person_matte"))
    with paddle.no_grad():
        found = composite(inverted, paddle.full([1], GATE_OLDER))
    np.testing.assert_allclose(found.numpy(), photo.numpy(), atol=1e-6)
