"""Photos of every kind come in as upright 8-bit RGB; bad files are named."""

from __future__ import annotations

import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from work.datasets import images
from work.datasets.images import ImageError, find_images, read_image, save_image
from work.errors import UserError

RED_LEFT = np.zeros((40, 60, 3), np.uint8)
RED_LEFT[:, :30, 0] = 255


@pytest.fixture
def photo(tmp_path):
    def write(name, array=RED_LEFT, mode=None, **options):
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(tmp_path / name, **options)
        return tmp_path / name

    return write


def pixels(path):
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_find_images_is_sorted_recursive_and_skips_hidden(tmp_path):
    for name in (
        "b.JPG",
        "a/2.png",
        "a/1.webp",
        ".hidden.jpg",
        ".cache/x.jpg",
        "notes.txt",
        "c.heic",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a/1.webp", "a/2.png", "b.JPG", "c.heic"]
    assert find_images(tmp_path / "b.JPG") == [tmp_path / "b.JPG"]


def test_find_images_names_a_missing_folder_and_an_empty_one(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=f"no image .* in {tmp_path}"):
        find_images(tmp_path)


def test_exif_orientation_is_applied(photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise: the left side becomes the top
    image = pixels(photo("turned.png", exif=exif))
    assert image.shape == (60, 40, 3)
    assert image[:30, :, 0].min() == 255 and image[30:].max() == 0


def test_transparency_becomes_white(photo):
    rgba = np.dstack([RED_LEFT, np.full((40, 60), 255, np.uint8)])
    rgba[:, 30:, 3] = 0
    image = pixels(photo("alpha.png", rgba))
    assert (image[:, 30:] == 255).all() and (image[:, :30] == [255, 0, 0]).all()
    palette = Image.fromarray(RED_LEFT).convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    palette.save(photo("x.png").with_name("palette.png"), transparency=palette.getpixel((59, 0)))
    assert (pixels(photo("x.png").with_name("palette.png"))[:, 30:] == 255).all()


@pytest.mark.parametrize(
    "name, mode", [("grey.png", "L"), ("grey.jpg", "L"), ("p.png", "P"), ("c.jpg", "CMYK")]
)
def test_other_modes_become_rgb(photo, name, mode):
    image = pixels(photo(name, mode=mode)).astype(int)
    expected = np.asarray(Image.fromarray(RED_LEFT).convert(mode).convert("RGB")).astype(int)
    assert image.shape == (40, 60, 3)
    assert abs(image[:, :24] - expected[:, :24]).max() <= 3  # JPEG away from the edge


def test_16_bit_png_is_scaled_not_clipped(photo):
    ramp = np.linspace(0, 65535, 40 * 60).astype(np.uint16).reshape(40, 60)
    image = pixels(photo("deep.png", ramp))
    assert np.array_equal(image[..., 0], (ramp / 257).round().astype(np.uint8))


def test_16_bit_rgb_png_is_scaled(tmp_path):
    row = b"\0" + np.tile(np.array([65535, 32896, 0], ">u2"), 20).tobytes()
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row * 20)), (b"IEND", b"")]
    data = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    assert (pixels(tmp_path / "deep.png") == [255, 128, 0]).all()


def test_float_tiff_is_scaled(photo):
    image = pixels(photo("f.tif", np.full((20, 20), 0.5, np.float32)))
    assert (image == 128).all()


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"just some text, no picture", "not an image"),
        (b"\xff\xd8\xff\xe0broken", "not an image|damaged"),
    ],
)
def test_files_that_are_no_images_are_named(tmp_path, content, reason):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"bad.jpg: .*({reason})"):
        read_image(path)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif", "cut.webp", "cut.bmp"])
def test_truncated_files_are_named(photo, name):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = photo(name, noise)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=name):
        read_image(path)


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / "gone.jpg", tmp_path):
        with pytest.raises(ImageError, match=path.name):
            read_image(path)


def test_the_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(ImageError("a/b.jpg", "the file is empty")))
    assert (str(error), error.reason) == ("a/b.jpg: the file is empty", "the file is empty")


def test_too_small_and_too_large_are_refused_before_decoding(photo, tmp_path):
    with pytest.raises(ImageError, match="1x1 is too small"):
        read_image(photo("dot.png", np.zeros((1, 1, 3), np.uint8)))
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    head = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )
    (tmp_path / "bomb.png").write_bytes(
        head + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    with pytest.raises(ImageError, match="bomb.png: .*120 megapixels"):
        read_image(tmp_path / "bomb.png")


def test_a_hundred_megapixels_raise_no_warning(tmp_path, recwarn):
    header = b"IHDR" + struct.pack(">IIBBBBB", 11500, 10000, 8, 2, 0, 0, 0)
    head = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )
    (tmp_path / "large.png").write_bytes(
        head + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    with pytest.raises(
        ImageError, match="damaged"
    ):  # a header alone: it gets past the size check, no further
        read_image(tmp_path / "large.png")
    assert not recwarn.list


def test_heic_without_the_plug_in_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    path = tmp_path / "phone.jpg"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(32))
    with pytest.raises(ImageError, match="pillow-heif"):
        read_image(path)


@pytest.mark.parametrize(
    "name, written",
    [
        ("a.png", "a.png"),
        ("a.HEIC", "a.png"),
        ("a", "a.png"),
        ("a.v2", "a.v2.png"),
        ("sub/a.tif", "sub/a.tif"),
    ],
)
def test_save_image_names_and_keeps_pixels(tmp_path, name, written):
    path = save_image(Image.fromarray(RED_LEFT), tmp_path / name)
    assert path == tmp_path / written
    assert np.array_equal(pixels(path), RED_LEFT)
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == [path.name]


def test_save_jpeg_keeps_colour_resolution_and_profile(tmp_path):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    image = Image.fromarray(stripes)
    image.info["icc_profile"] = b"profile"
    path = save_image(image, tmp_path / "a.jpg")
    assert abs(pixels(path).astype(int) - stripes).max() < 25  # 4:2:0 would blend the stripes
    assert read_image(path).info["icc_profile"] == b"profile"


def test_save_image_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_image(Image.fromarray(RED_LEFT), tmp_path / "file" / "a.png")


def test_limit_is_the_packages_own():
    assert Image.MAX_IMAGE_PIXELS >= images.MAX_PIXELS >= 100_000_000
