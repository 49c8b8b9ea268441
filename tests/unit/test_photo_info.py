"""What travels with a photo: EXIF without what is no longer true, colour profile, transparency."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from work.datasets.images import read_image, save_image
from work.datasets.photo_info import MAX_EXIF
from work.faces.align import cut
from work.faces.paste import NewFace, paste

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (120, 160, 3), np.uint8)
QUAD = np.array([[40, 20], [40, 90], [110, 90], [110, 20]], np.float64)
ORIENTATION, MAKE, DATE, WIDTH, HEIGHT, LENS = 0x112, 0x10F, 0x132, 0xA002, 0xA003, 0xA434
EXIF_IFD, GPS_IFD = 0x8769, 0x8825


def camera_exif(**notes: bytes) -> Image.Exif:
    exif, read = Image.Exif(), Image.Exif()
    exif[ORIENTATION], exif[MAKE], exif[DATE] = 6, "Canon", "2024:05:01 10:00:00"
    exif[EXIF_IFD] = {WIDTH: 160, HEIGHT: 120, LENS: "50 mm", 0x9003: "2024:05:01 10:00:00"}
    if notes:
        exif[EXIF_IFD][0x927C] = notes["maker"]
    exif[GPS_IFD] = {1: "N", 2: (52.0, 31.0, 12.0)}
    read.load(exif.tobytes())
    return read


def small_jpeg() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "JPEG")
    return data.getvalue()


THUMBNAIL = small_jpeg()


def with_thumbnail(exif: Image.Exif) -> bytes:
    """The EXIF with a second directory behind the first, that holds a JPEG."""
    data = bytearray(exif.tobytes())
    start = 6  # after "Exif\0\0": offsets count from here
    order = "little" if data[start : start + 2] == b"II" else "big"
    at = start + int.from_bytes(data[start + 4 : start + 8], order)
    link = at + 2 + 12 * int.from_bytes(data[at : at + 2], order)
    data[link : link + 4] = (len(data) - start).to_bytes(4, order)
    body = len(data) - start + 2 + 2 * 12 + 4
    data += (2).to_bytes(2, order)
    for tag, value in ((0x201, body), (0x202, len(THUMBNAIL))):
        data += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        data += value.to_bytes(4, order)
    return bytes(data + bytes(4) + THUMBNAIL)


def aged(photo: Image.Image) -> Image.Image:
    """A photo with a new face, as it is put together everywhere."""
    face = cut(photo, QUAD, 64).image
    return paste(photo, [NewFace(face.point(lambda value: value // 2), QUAD)])


@pytest.mark.parametrize("before, after", [("a.jpg", "b.jpg"), ("a.jpg", "b.png")])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_travels_to_the_aged_photo(tmp_path, before, after, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PIXELS).save(path, exif=camera_exif())
    photo = read_image(path)
    assert photo.size == (120, 160)  # upright
    out = save_image(aged(photo), tmp_path / after)
    with Image.open(out) as image:
        found = image.getexif()
        assert (found[MAKE], found[DATE]) == ("Canon", "2024:05:01 10:00:00")
        assert found.get_ifd(EXIF_IFD)[LENS] == "50 mm"
        assert (found.get_ifd(EXIF_IFD)[WIDTH], found.get_ifd(EXIF_IFD)[HEIGHT]) == (120, 160)
        assert found.get_ifd(GPS_IFD)[2] == (52.0, 31.0, 12.0)
        assert ORIENTATION not in found
    assert read_image(out).size == (120, 160)


def test_the_thumbnail_with_the_old_face_stays_behind(tmp_path):
    exif = with_thumbnail(camera_exif())
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as image:
        assert THUMBNAIL in image.info["exif"]  # it is there before
    out = save_image(aged(read_image(tmp_path / "a.jpg")), tmp_path / "b.jpg")
    assert out.read_bytes().count(b"\xff\xd8\xff") == 1  # one JPEG in the file: itself
    with Image.open(out) as image:
        assert image.getexif()[MAKE] == "Canon"
        assert THUMBNAIL not in image.info["exif"]


def test_a_tiffs_own_layout_is_not_taken_for_exif(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", compression="tiff_lzw")
    photo = read_image(tmp_path / "a.tif")
    assert "exif" not in photo.info
    for name in ("b.tif", "b.jpg"):
        assert read_image(save_image(photo, tmp_path / name)).size == (160, 120)


@pytest.mark.parametrize("notes", [bytes(MAX_EXIF), b"a preview: " + THUMBNAIL])
def test_the_makers_notes_stay_behind(tmp_path, notes):
    exif = camera_exif(maker=notes)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    out = save_image(read_image(tmp_path / "a.png"), tmp_path / "b.jpg")
    with Image.open(out) as image:
        assert image.getexif().get_ifd(EXIF_IFD)[LENS] == "50 mm"
        assert 0x927C not in image.getexif().get_ifd(EXIF_IFD)


def test_colour_profiles_travel_and_huge_ones_do_not(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=profile)
    out = save_image(aged(read_image(tmp_path / "a.png")), tmp_path / "b.jpg")
    with Image.open(out) as image:
        assert image.info["icc_profile"] == profile
    Image.fromarray(PIXELS).save(tmp_path / "huge.tif", icc_profile=profile + bytes(20 << 20))
    out = save_image(read_image(tmp_path / "huge.tif"), tmp_path / "c.jpg")  # JPEG holds 16 MB
    assert out.stat().st_size < 100_000


def transparent() -> np.ndarray:
    """RGBA: opaque, half and fully transparent parts, with colours under all of them."""
    alpha = np.full(PIXELS.shape[:2], 255, np.uint8)
    alpha[:30], alpha[30:60] = 0, 128
    return np.dstack([PIXELS, alpha])


@pytest.mark.parametrize("before", ["a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("after", ["b.png", "b.tif"])
def test_transparency_travels_and_what_did_not_change_is_the_same(tmp_path, before, after):
    options = {"lossless": True, "exact": True} if before == "a.webp" else {}
    Image.fromarray(transparent()).save(tmp_path / before, **options)
    photo = read_image(tmp_path / before)
    assert photo.mode == "RGB" and (np.asarray(photo)[:30] == 255).all()  # laid on white, as ever
    out = save_image(aged(photo), tmp_path / after)
    with Image.open(out) as image:
        assert image.mode == "RGBA"
        found = np.asarray(image)
    np.testing.assert_array_equal(found[..., 3], transparent()[..., 3])
    same = (np.asarray(aged(photo)) == np.asarray(photo)).all(axis=2)
    assert 0.2 < same.mean() < 0.95
    np.testing.assert_array_equal(found[same], transparent()[same])
    opaque = transparent()[..., 3] == 255
    np.testing.assert_array_equal(found[opaque][:, :3], np.asarray(aged(photo))[opaque])


def test_transparency_is_laid_on_white_where_the_format_has_none(tmp_path):
    Image.fromarray(transparent()).save(tmp_path / "a.png")
    photo = read_image(tmp_path / "a.png")
    found = np.asarray(read_image(save_image(photo, tmp_path / "b.bmp")))
    np.testing.assert_array_equal(found, np.asarray(photo))


def test_an_opaque_alpha_channel_is_no_transparency(tmp_path):
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "a.png")
    with Image.open(save_image(read_image(tmp_path / "a.png"), tmp_path / "b.png")) as image:
        assert image.mode == "RGB"


def test_crops_carry_nothing(tmp_path):
    Image.fromarray(transparent()).save(tmp_path / "a.png", exif=camera_exif())
    photo = read_image(tmp_path / "a.png")
    assert {"exif", "rgba"} <= set(photo.info)
    with Image.open(save_image(cut(photo, QUAD, 64).image, tmp_path / "b.png")) as image:
        assert image.mode == "RGB" and not image.getexif()


def test_training_data_is_pixels_alone(tmp_path):
    from work.datasets.prepare import prepare

    (tmp_path / "in").mkdir()
    Image.fromarray(transparent()[:100, :100]).save(tmp_path / "in" / "a.png", exif=camera_exif())
    prepare(tmp_path / "in", tmp_path / "out", 100, ".png", 1)
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.mode == "RGB" and not image.getexif()
