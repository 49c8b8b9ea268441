"""What travels with a photo beside its RGB pixels, in `image.info`: EXIF, colour profile, transparency.

icc_profile  bytes, if it describes the RGB pixels
exif         bytes, without what is no longer true: orientation, thumbnail, layout of the pixels
rgba         the photo before it was laid on white, if anything of it is transparent
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

MAX_PROFILE = 4 << 20  # bytes; the largest of printers have 3 MiB
MAX_EXIF = 65_000  # bytes; JPEG takes 65,533
# The rest describes how the pixels are stored (in a TIFF these tags are the file's own).
KEPT_TAGS = {
    *(0x010E, 0x010F, 0x0110),  # description, camera's maker and model
    *(0x011A, 0x011B, 0x0128),  # resolution
    *(0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x8298),  # software, date, artist, rating, copyright
    *(0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),  # title, comment, author, ... of Windows
}
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKER_NOTE, INTEROPERABILITY = 0x927C, 0xA005  # the second is a place in the old file
SIDES = {0xA002: 0, 0xA003: 1}  # tag: index into the size


def travelling_info(original: Image.Image, upright: Image.Image) -> dict[Any, Any]:
    """What to keep of an opened photo for its upright version of any mode."""
    info: dict[Any, Any] = {}
    profile = original.info.get("icc_profile") if original.mode in ("RGB", "RGBA", "P") else None
    if profile and len(profile) <= MAX_PROFILE:
        info["icc_profile"] = profile
    exif = travelling_exif(original, upright.size)
    if exif:
        info["exif"] = exif
    if has_alpha(upright):
        rgba = upright.convert("RGBA")
        if np.asarray(rgba.getchannel("A")).min() < 255:
            info["rgba"] = rgba
    return info


def travelling_exif(original: Image.Image, size: tuple[int, int]) -> bytes:
    """The EXIF to write beside upright pixels of `size`; b"" if there is none or it is damaged."""
    try:
        found, kept = original.getexif(), Image.Exif()
        for tag in KEPT_TAGS & set(found):
            kept[tag] = found[tag]
        for tag in (EXIF_IFD, GPS_IFD):
            values = dict(found.get_ifd(tag))
            values.pop(INTEROPERABILITY, None)
            values.update({side: size[i] for side, i in SIDES.items() if side in values})
            if values:
                kept[tag] = values
        data = kept.tobytes() if len(kept) else b""
        if len(data) > MAX_EXIF and EXIF_IFD in kept:
            kept[EXIF_IFD].pop(MAKER_NOTE, None)
            data = kept.tobytes()
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
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def with_alpha(image: Image.Image) -> Image.Image:
    """Give an RGB picture made from a transparent photo its transparency back; another one comes back as it is.

    Its colours are the photo's own plus what was changed, so where nothing was, all four numbers are the photo's.
    """
    original = image.info.get("rgba")
    if original is None or original.size != image.size:
        return image
    new, old, out = np.asarray(image), np.asarray(on_white(original)), np.array(original)
    changed = (new != old).any(axis=2)
    change = new[changed].astype(np.float32) - old[changed]
    colour, alpha = out[changed][:, :3], np.maximum(out[changed][:, 3:], 1) / np.float32(255)
    out[changed, :3] = (colour + change / alpha).round().clip(0, 255)
    return Image.fromarray(out)
