"""What mattes of the person do to a composite; the mattes here are made by hand."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.composite import GATE_OLDER, Composite
from work.inference.heads import Heads, keep_face
from work.loading import load_network

SIZE = 64
# Rows and columns: a small head, a larger one, and a large one.
HEAD, BIG, WIDE = np.s_[12:60, 24:40], np.s_[12:60, 20:44], np.s_[12:60, 12:52]


def shows(*parts):
    """A matte with 1 in these parts."""
    matte = np.zeros((1, 1, SIZE, SIZE), np.float32)
    for part in parts:
        matte[0, 0][part] = 1
    return paddle.to_tensor(matte)


def person(part, head, background=-0.6):
    """A picture of a head in one colour before a background in another."""
    return background + (head - background) * shows(part).tile([1, 3, 1, 1])


def blend(photo, inverted, aged):
    """The composite; all mattes are right: heads are lighter than backgrounds."""
    composite = Composite(photo, inverted, lambda images: (images[:, :1] > -0.3).astype("float32"))
    return composite(aged, paddle.full([len(aged)], GATE_OLDER)).numpy()


def test_the_background_stays_where_neither_picture_shows_a_person():
    photo, inverted = person(HEAD, 0.2), person(HEAD, 0.2)
    aged = person(HEAD, 0.6, background=-0.9)  # the generator draws another background
    found = blend(photo, inverted, aged)[0]
    behind = shows(HEAD).numpy()[0, 0] == 0
    np.testing.assert_allclose(found[:, behind], -0.6, atol=0.01)  # mattes are compared at 256 px
    assert found[:, 30:40, 30:34].mean() > 0.5
    without = Composite(photo, inverted)(aged, paddle.full([1], GATE_OLDER)).numpy()[0]
    assert without[:, behind].min() < -0.8


def test_a_smaller_head_leaves_background_and_no_hair():
    found = blend(person(WIDE, 0.2), person(WIDE, 0.2), person(HEAD, 0.6))[0]
    beside = np.s_[:, 20:40, 15:21]  # was hair, is none now
    assert found[beside].max() < -0.5
    assert found[:, 30:40, 30:34].mean() > 0.5


def test_a_head_that_has_grown_is_shown_whole():
    found = blend(person(HEAD, 0.2), person(HEAD, 0.2), person(BIG, 0.6))[0]
    assert found[:, 20:36, 21:24].min() > 0.4
    np.testing.assert_allclose(found[:, :, :19], -0.6, atol=1e-6)


def test_a_second_face_far_from_the_photos_head_is_not_shown():
    found = blend(person(HEAD, 0.2), person(HEAD, 0.2), person(WIDE, 0.6))[0]
    np.testing.assert_allclose(found[:, 20:36, 12:17], -0.6, atol=1e-6)


def test_people_beside_the_face_stay_as_they_are():
    photo = person(HEAD, 0.2)
    photo[:, :, 12:60, 48:60] = 0.2
    aged = person(HEAD, 0.6)
    aged[:, :, 12:60, 48:60] = 0.9
    found = blend(photo, photo, aged)[0]
    np.testing.assert_allclose(found[:, 12:60, 50:60], 0.2, atol=1e-6)


def test_hair_that_only_the_photo_has_stays_while_the_head_keeps_its_size():
    found = blend(person(WIDE, 0.2), person(HEAD, 0.2), person(HEAD, 0.2))[0]
    assert found[:, 20:36, 15:21].min() > 0


def test_what_the_inversion_missed_is_not_taken_away():
    photo = person(WIDE, 0.2)
    photo[:, :, 12:28, 12:52] = 1.0  # a white hat, drawn as nothing
    inverted, aged = person(WIDE, 0.2), person(HEAD, 0.2)
    inverted[:, :, 12:28, 12:52] = -0.2
    found = blend(photo, inverted, aged)[0]
    assert found[:, 14:24, 14:20].min() > 0.5


def test_a_head_that_leaves_the_crop_keeps_its_outline_where_the_new_one_does_not():
    photo, hair = person(np.s_[0:60, 6:58], 0.2), np.s_[:, 24:40, 7:9]
    assert blend(photo, photo, person(WIDE, 0.6))[0][hair].min() > -0.2
    leaves_too = person(np.s_[0:60, 12:52], 0.6)
    assert blend(photo, photo, leaves_too)[0][hair].max() < -0.5


def test_several_ages_of_one_photo_have_their_own_heads():
    photo, aged = person(WIDE, 0.2), paddle.concat([person(HEAD, 0.6), person(WIDE, 0.6)])
    found = blend(photo, photo, aged)
    assert found[0, :, 20:40, 15:21].max() < -0.5 and found[1, :, 20:36, 15:21].min() > 0.4


def test_without_a_change_the_photo_comes_back_whatever_the_matte_sees():
    colours = np.random.default_rng(0).uniform(-0.8, 0.8, (2, 3, 8, 8)).astype(np.float32)
    photo, inverted = paddle.nn.functional.interpolate(
        paddle.to_tensor(colours), size=[SIZE, SIZE], mode="bilinear"
    ).split(2)
    with paddle.no_grad():
        composite = Composite(photo, inverted, load_network("person_matte"))
        found = composite(inverted, paddle.full([1], GATE_OLDER))
    np.testing.assert_allclose(found.numpy(), photo.numpy(), atol=1e-6)


def test_the_face_in_the_middle_is_kept_and_people_beside_it_are_not():
    neighbour = np.s_[20:64, 0:8]
    found = keep_face(shows(HEAD, neighbour))
    np.testing.assert_array_equal(found.numpy(), shows(HEAD).numpy())
    nobody = shows()
    np.testing.assert_array_equal(keep_face(nobody).numpy(), nobody.numpy())


@pytest.mark.parametrize("size", [64, 200])
def test_the_background_is_painted_over_the_person(size):
    across = paddle.linspace(-1, 0, size).reshape([1, 1, 1, size]).expand([1, 3, size, size])
    matte = paddle.zeros([1, 1, size, size])
    matte[:, :, size // 4 :, size // 3 : size // 2] = 1
    photo = across * (1 - matte) + matte
    heads = Heads(
        lambda images: (images[:, :1] > 0.3).astype("float32"), photo, photo, matte, matte
    )
    painted = heads.paint_background(photo)
    assert painted.shape == [1, 3, size, size]
    assert float((painted - across).abs().max()) < 0.35 and float(painted.max()) < 0.2
