"""Photos in all formats and many flavours, whole and with damaged EXIF, read and written as in ageing a photo."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, features

from tests.fuzz.run import Target
from work.datasets.images import encoded, open_image, read_image


def copy(path: Path) -> None:
    """Read a photo, encode it with all that travels along, and open that."""
    image = read_image(path)
    for format in ("JPEG", "PNG"):
        with open_image(io.BytesIO(encoded(image, format, 95))) as again:
            again.load()


def camera_exif() -> bytes:
    exif = Image.Exif()
    exif[0x112], exif[0x10F], exif[0x132] = 6, "Maker", "2024:05:01 10:00:00"
    exif[0x8769] = {0xA002: 64, 0xA003: 48, 0x9003: "2024:05:01 10:00:00", 0x927C: b"note" * 9}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return exif.tobytes()


def photos() -> list[bytes]:
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    rgb = Image.fromarray(pixels)
    rgba = Image.fromarray(np.dstack([pixels, pixels[..., 0]]))
    grey16 = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more = {"exif": camera_exif(), "icc_profile": icc}
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {**more, "quality": 80}),
        (rgb, "JPEG", {"progressive": True, "exif": more["exif"]}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {"exif": more["exif"]}),
        (rgb, "MPO", {"save_all": True, "append_images": [rgb]}),
        (rgb, "PNG", more),
        (rgba, "PNG", {}),
        (rgb.convert("P"), "PNG", {"transparency": bytes(range(256))}),
        (grey16, "PNG", {"exif": more["exif"]}),
        (rgb, "PNG", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb, "BMP", {}),
        (rgb.convert("P"), "BMP", {}),
        (rgb, "DIB", {}),
        (rgb, "WEBP", {**more, "quality": 80}),
        (rgba, "WEBP", {"lossless": True}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb, "TIFF", {}),
        (rgba, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "tiff_deflate", "save_all": True, "append_images": [rgb]}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (grey16, "TIFF", {}),
        (Image.fromarray(pixels[..., 0].astype(np.float32) / 255), "TIFF", {}),
        (rgb, "PPM", {}),
        (rgb.convert("L"), "PPM", {}),
        (rgb.convert("P"), "GIF", {"save_all": True, "append_images": [rgb.convert("P")]}),
    ]
    if features.check("avif"):
        kinds += [(rgb, "AVIF", more), (rgba, "AVIF", {})]
    found = []
    for image, format, options in kinds:
        data = io.BytesIO()
        image.save(data, format, **options)
        found.append(data.getvalue())
    return found


def with_exif(exif: bytes) -> bytes:
    """A photo that is whole but for its EXIF; the format changes with the length."""
    data, format = io.BytesIO(), ("JPEG", "PNG", "WEBP")[len(exif) % 3]
    Image.new("RGB", (40, 30), "red").save(data, format, exif=exif)
    return data.getvalue()


# Markers, chunks and boxes, and fields of TIFF directories: orientation, offsets, types that there are not.
WORDS = [
    b"\xff\xda", b"\xff\xc4", b"\xff\xe1\xff\xff", b"\xff\xd8\xff", b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"eXIf",
    b"iCCP", b"acTL", b"fdAT", b"zTXt", b"RIFF", b"VP8X", b"ALPH", b"ANMF", b"EXIF", b"ftyp", b"meta", b"iloc",
    b"GIF89a", b"!\xff\x0b",
]  # fmt: skip
FIELDS = [
    b"\x12\1\3\0\1\0\0\0\6\0\0\0", b"\x69\x87\4\0\1\0\0\0", b"\x25\x88\4\0\1\0\0\0", b"\x7c\x92\7\0",
    b"\1\2\4\0\1\0\0\0", b"\5\xa0\4\0\1\0\0\0", b"\0\0\xff\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08",
    b"II*\0\x08\0\0\0", b"Exif\0\0", b"FUJIFILM",
]  # fmt: skip

TARGETS = [
    Target("photos", "photo.jpg", copy, photos, words=WORDS + FIELDS),
    Target("exif", "photo.jpg", copy, lambda: [camera_exif()], with_exif, FIELDS),
]
