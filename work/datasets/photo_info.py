"""What travels with a photo beside its RGB pixels, in `image.info`: EXIF, colour profile, transparency.

icc_profile  bytes, if it describes the RGB pixels
exif         bytes, without what is no longer true: orientation, thumbnail, maker's notes, layout of the pixels
rgba         the photo before it was laid on white, if anything of it is transparent
"""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
from PIL import Image

MAX_PROFILE = 4 << 20  # bytes; the largest of printers have 3 MiB
STRIP = 512  # rows
MAX_EXIF = 65_000  # bytes; JPEG takes 65,533
# The rest describes how the pixels are stored (in a TIFF these tags are the file's own).
KEPT_TAGS = {
    *(0x010E, 0x010F, 0x0110),  # description, camera's maker and model
    *(0x011A, 0x011B, 0x0128),  # resolution
    *(0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x8298),  # software, date, artist, rating, copyright
    *(0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),  # title, comment, author, ... of Windows
}
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKER_NOTE, INTEROPERABILITY = (
    0x927C,
    0xA005,
)  # may hold a preview of the old face; a place in the old file
SIDES = {0xA002: 0, 0xA003: 1}  # tag: index into the size


def kept_info(original: Image.Image, upright: Image.Image) -> dict[Any, Any]:
    """What to keep of an opened photo for its upright version of any mode."""
    info: dict[Any, Any] = {}
    profile = original.info.get("icc_profile") if original.mode in ("RGB", "RGBA", "P") else None
    if profile and len(profile) <= MAX_PROFILE:
        info["icc_profile"] = profile
    exif = kept_exif(original, upright.size)
    if exif:
        info["exif"] = exif
    if has_alpha(upright):
        rgba = upright.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            info["rgba"] = rgba
    return info


def give_profile(picture: Image.Image, photo: Image.Image) -> Image.Image:
    """The picture, with the colour profile of the photo that it was made of."""
    picture.info.update({k: v for k, v in photo.info.items() if k == "icc_profile"})
    return picture


def kept_exif(original: Image.Image, size: tuple[int, int]) -> bytes:
    """The EXIF to write beside upright pixels of `size`; b"" if there is none or it is damaged."""
    try:
        found, kept = original.getexif(), Image.Exif()
        for tag in KEPT_TAGS & set(found):
            kept[tag] = found[tag]
        for tag in (EXIF_IFD, GPS_IFD):
            values = dict(found.get_ifd(tag))
            for dropped in (MAKER_NOTE, INTEROPERABILITY):
                values.pop(dropped, None)
            values.update({side: size[i] for side, i in SIDES.items() if side in values})
            if values:
                kept[tag] = values
        data = kept.tobytes() if len(kept) else b""
        return data if len(data) <= MAX_EXIF else b""
    except Exception:  # Pillow's parser raises nearly anything on damaged EXIF
        return b""


def has_alpha(image: Image.Image) -> bool:
    """Whether parts of a picture may be transparent."""
    if image.mode == "P" and image.palette and image.palette.mode.endswith("A"):
        return True
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def on_white(rgba: Image.Image) -> Image.Image:
    """An RGBA picture laid on white, RGB."""
    out = Image.new("RGB", rgba.size)
    for box in _strips(rgba):
        part = rgba.crop(box)
        out.paste(Image.alpha_composite(Image.new("RGBA", part.size, "white"), part), box)
    return out


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of some rows each, so that working copies of a large photo stay small."""
    for top in range(0, image.height, STRIP):
        yield 0, top, image.width, min(top + STRIP, image.height)


def with_alpha(image: Image.Image) -> Image.Image:
    """Restore the transparency of an RGB picture made from a transparent photo; others are returned as they are.

    Its colours are the photo's own plus the change, so where nothing changed, all four channels are the photo's.
    """
    original = image.info.get("rgba")
    if original is None or original.size != image.size:
        return image
    out = original.copy()
    for box in _strips(original):
        part = original.crop(box)
        old, new = np.asarray(on_white(part)), np.asarray(image.crop(box))
        changed = (new != old).any(axis=2)
        if changed.any():
            pixels, change = np.array(part), new[changed].astype(np.float32) - old[changed]
            alpha = np.maximum(pixels[changed][:, 3:], 1) / np.float32(255)
            pixels[changed, :3] = (pixels[changed][:, :3] + change / alpha).round().clip(0, 255)
            out.paste(Image.fromarray(pixels), box)
    return out
