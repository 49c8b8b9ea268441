"""FFHQ alignment and its inverse; pasting changes what it should and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from work.faces.align import crop_matrix, cut, ffhq_quad, head_quad
from work.faces.boxes import evened, squared, suppressed, turned_back
from work.faces.head_mask import head_mask
from work.faces.paste import NewFace, paste

UPRIGHT = np.array([[100.0, 100], [160, 100], [130, 135], [108, 165], [152, 165]])


def quad_at(centre, half, degrees=0):
    angle = np.deg2rad(degrees)
    x = half * np.array([np.cos(angle), np.sin(angle)])
    y = np.array([-x[1], x[0]])
    return np.array(centre) + np.stack([-x - y, -x + y, x + y, x - y])


@pytest.fixture
def photo():
    """Smooth colours with some texture, 400 x 300."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)).resize(
        (400, 300), Image.BICUBIC
    )
    noise = rng.normal(0, 6, (300, 400, 3))
    return Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8))


def psnr(a, b, where):
    error = (np.asarray(a, float) - np.asarray(b, float))[where]
    return 10 * np.log10(255**2 / max((error**2).mean(), 1e-9))


def mask(size):
    at = (np.arange(size) + 0.5) / size
    return head_mask(at[None, :], at[:, None])


def test_quad_of_an_upright_face_by_hand():
    # eyes at (130, 100), mouth at (130, 165): x = (60 + 65, 0) directed right, half side max(120, 117)
    quad = ffhq_quad(UPRIGHT)
    expected = np.array([[10, -13.5], [10, 226.5], [250, 226.5], [250, -13.5]])
    assert np.allclose(quad, expected)


def test_quad_turns_with_the_face():
    angle = np.deg2rad(40)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.allclose(ffhq_quad(UPRIGHT @ turn.T), ffhq_quad(UPRIGHT) @ turn.T)


@pytest.mark.parametrize(
    ("nose", "moved"), [(130, 0), (131, 0), (118, 0.1), (142, -0.1), (60, 0.12)]
)
def test_the_quad_of_a_head_moves_to_where_the_nose_does_not_point(nose, moved):
    turned = np.array(UPRIGHT)
    turned[2, 0] = nose
    assert np.allclose(head_quad(turned), ffhq_quad(UPRIGHT) + [moved * 240, 0])


def test_matrix_sends_the_crops_corners_to_the_quad():
    quad = quad_at((150, 140), 60, 25)
    corners = np.array([[0, 0, 1], [0, 64, 1], [64, 64, 1], [64, 0, 1]])
    assert np.allclose((corners @ crop_matrix(quad, 64).T)[:, :2], quad)


def test_crop_without_rotation_or_scale_is_the_photos_pixels(photo):
    crop = cut(photo, np.array([[100, 80], [100, 208], [228, 208], [228, 80]], float), 128)
    expected = np.asarray(photo.crop((100, 80, 228, 208)), float)
    assert psnr(crop.image, expected, ...) > 45


@pytest.mark.parametrize("size", [48, 160, 500])
def test_matrix_is_where_the_crops_pixels_came_from(size):
    x, y = np.meshgrid(np.arange(400) + 0.5, np.arange(300) + 0.5)
    photo = Image.fromarray(
        np.dstack([x * 0.6, y * 0.8, x * 0]).round().astype(np.uint8)
    )  # colour tells place
    crop = cut(photo, quad_at((200, 150), 70, 30), size)
    u, v = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    place = np.stack([u, v, np.ones_like(u)], axis=2) @ crop.matrix.T
    found = np.asarray(crop.image, float)
    assert np.abs(found[..., 0] - place[..., 0] * 0.6).max() < 1.5
    assert np.abs(found[..., 1] - place[..., 1] * 0.8).max() < 1.5


def test_reducing_does_not_alias():
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut(Image.fromarray(stripes), quad_at((300, 300), 250, 10), 100)
    assert np.asarray(crop.image, float).std() < 6


def test_beyond_the_photo_the_crop_is_a_blurred_reflection(photo):
    crop = np.asarray(cut(photo, quad_at((20, 150), 100), 128).image, float)
    outside = crop[:, :40]
    assert outside.mean() > 40  # not black
    assert (
        outside[:, 1:].std(axis=0).mean() < np.asarray(photo, float)[50:250, :80].std(axis=0).mean()
    )
    assert (
        np.abs(np.diff(outside, axis=1)).mean() < 0.5 * np.abs(np.diff(crop[:, 90:], axis=1)).mean()
    )


@pytest.mark.parametrize("degrees", [0, 20, -75, 180])
@pytest.mark.parametrize("half, size", [(90, 64), (90, 256), (40, 256)])
def test_round_trip_leaves_the_photo_as_it_is(photo, half, size, degrees):
    quad = quad_at((200, 150), half, degrees)
    crop = cut(photo, quad, size)
    pasted = paste(photo, [NewFace(crop.image, quad)])
    again = cut(pasted, quad, size).image
    assert psnr(again, crop.image, mask(size) > 0) > 40
    assert np.array_equal(np.asarray(pasted), np.asarray(photo))  # only a change is ever pasted


@pytest.mark.parametrize("half, size", [(90, 64), (60, 256)])
def test_a_changed_face_arrives_and_the_rest_is_untouched(photo, half, size):
    quad = quad_at((200, 150), half, 15)
    crop = cut(photo, quad, size).image
    new = Image.fromarray(
        (255 - np.asarray(crop.filter(ImageFilter.GaussianBlur(size / 40)))) // 2 + 30
    )
    pasted = paste(photo, [NewFace(new, quad)])
    assert psnr(cut(pasted, quad, size).image, new, mask(size) == 1) > 30
    x, y = np.meshgrid(np.arange(400) + 0.5, np.arange(300) + 0.5)
    outside = head_mask(*NewFace(new, quad).to_crop(x, y)) == 0
    assert 0.2 < outside.mean() < 0.95
    assert np.array_equal(np.asarray(pasted)[outside], np.asarray(photo)[outside])
    assert (np.asarray(pasted) != np.asarray(photo)).any(axis=2)[~outside].mean() > 0.9


def test_a_seamless_face_changes_the_photo_to_its_crops_border_and_no_further(photo):
    quad = quad_at((200, 150), 100)
    crop = np.asarray(cut(photo, quad, 200).image).copy()
    crop[4:30, 80:120] = 255  # hair above the head mask
    pasted = [
        np.asarray(paste(photo, [NewFace(Image.fromarray(crop), quad, seamless=s)]), int)
        for s in (True, False)
    ]
    hair = np.s_[56:76, 185:215]
    assert pasted[0][hair].min() > 240 and pasted[1][hair].min() < 240
    untouched = np.ones((300, 400), bool)
    untouched[50:84, 176:224] = False
    np.testing.assert_array_equal(pasted[0][untouched], np.asarray(photo)[untouched])


def test_the_photos_finer_detail_survives_a_gentle_change(photo):
    quad = quad_at((200, 150), 100)
    crop = np.asarray(cut(photo, quad, 50).image, float)  # a quarter of the photo's resolution
    new = Image.fromarray((crop + 5).clip(0, 255).astype(np.uint8))
    pasted = np.asarray(paste(photo, [NewFace(new, quad)]), float)
    centre = (slice(120, 180), slice(170, 230))
    change = pasted[centre] - np.asarray(photo, float)[centre]
    assert (
        abs(change.mean() - 5) < 0.5 and change.std() < 1.5
    )  # the noise of the photo is still there


def test_a_colour_cast_leaves_no_rim(photo):
    plain = Image.new("RGB", (400, 300), (120, 110, 100))
    quad = quad_at((200, 150), 100)
    new = Image.new("RGB", (128, 128), (150, 110, 80))
    pasted = np.asarray(paste(plain, [NewFace(new, quad)]), float)
    line = pasted[150, :, 0]
    assert line[200] == 150 and line[90] == 120
    assert np.abs(np.diff(line)).max() < 4  # a hard mask would step by 30


def test_two_overlapping_heads_share_the_pixels(photo):
    quads = [quad_at((170, 150), 70), quad_at((230, 150), 70)]
    red, blue = Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("RGB", (64, 64), (0, 0, 255))
    faces = [NewFace(red, quads[0]), NewFace(blue, quads[1])]
    one, other = np.asarray(paste(photo, faces)), np.asarray(paste(photo, faces[::-1]))
    assert np.abs(one.astype(int) - other).max() <= 2  # the order does not matter
    assert (one[150, 170] == (255, 0, 0)).all() and (one[150, 230] == (0, 0, 255)).all()


def test_a_face_at_the_photos_border(photo):
    quad = quad_at((10, 10), 80, 5)
    crop = np.asarray(cut(photo, quad, 128).image)
    pasted = paste(photo, [NewFace(Image.fromarray(crop // 2), quad)])
    assert pasted.size == photo.size
    assert (np.asarray(pasted)[5, 5] < np.asarray(photo)[5, 5]).all()


def test_suppression_by_hand():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [22, 22, 26, 26]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppressed(boxes, scores, 0.5).tolist() == [1, 2, 3]  # 81 of 119 shared; 16 of 100
    assert suppressed(boxes, scores, 0.5, of="smaller").tolist() == [1, 2]


def test_squares():
    boxes = np.array([[0.0, 0, 4, 16]])
    assert squared(boxes).tolist() == [[-6, 0, 10, 16]]
    assert evened(boxes).tolist() == [[-2, 4, 6, 12]]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_points_are_turned_back(turns):
    image = np.zeros((30, 50))
    image[7, 12] = 1  # its centre is at x = 12.5, y = 7.5
    (row,), (column,) = np.nonzero(np.rot90(image, turns))
    point = turned_back(np.array([column + 0.5, row + 0.5]), turns, 50, 30)
    assert point.tolist() == [12.5, 7.5]
