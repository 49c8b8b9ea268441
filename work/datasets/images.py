"""Photos from disk and back: every common format, upright, 8-bit RGB, and errors that name the file."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from work.errors import UserError, shown
from work.files import atomic_write

MAX_PIXELS = 120_000_000  # the largest phone and medium-format cameras take 100 to 108 megapixels
MIN_SIDE = 16  # px; nothing in this package can use less
READABLE = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm", ".gif", ".heic", ".heif", ".avif"),
}
WRITABLE = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}

# Pillow warns about large photos at 89 megapixels; below our own limit they are not suspicious.
Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, MAX_PIXELS)


class ImageError(UserError):
    """One image cannot be used. The message is "<path>: <reason>"."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(shown(f"{path}: {reason}"))
        self.path, self.reason = Path(path), reason

    def __reduce__(self):  # comes back from worker processes
        return ImageError, (self.path, self.reason)


class TooManyPixels(ImageError):
    """A picture over the limit; it was not decoded."""

    def __init__(self, path: str | Path, limit: int):
        super().__init__(path, f"more than {limit / 1e6:g} megapixels")


def find_images(root: str | Path) -> list[Path]:
    """List the images under a folder, in all its subfolders, sorted by path; a single file is itself.

    Hidden files and folders (a leading dot) are ignored: some are another program's, some our own
    half-written ones.

    Raises:
        UserError: there is nothing at `root`, or no image in it.
    """
    root = Path(root)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise UserError(f"no such image or folder: {root}")
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(folder, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in READABLE
        ]
    if not found:
        raise UserError(f"no image (.jpg, .png, ...) in {root}")
    return sorted(found)


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read one photo as 8-bit RGB: EXIF orientation applied, transparency laid on white.

    An ICC profile that still describes the RGB pixels stays in `image.info["icc_profile"]`, where
    `save_image` finds it. Of an animation or a burst the first frame is read.

    Raises:
        TooManyPixels: over `max_pixels`.
        ImageError: missing, empty, truncated, not an image, or under 16 px.
    """
    path = Path(path)
    _check_file(path)
    try:
        with Image.open(path) as image:
            _check_size(path, image.size, max_pixels)
            image.load()
            return _upright_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise TooManyPixels(path, max_pixels) from None
    except Image.UnidentifiedImageError:
        raise ImageError(path, "not an image, or a format that Pillow cannot read") from None
    except MemoryError:
        raise ImageError(path, "not enough memory to decode it") from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageError(path, f"damaged ({str(error) or type(error).__name__})") from error


def save_image(image: Image.Image, path: str | Path, quality: int = 95) -> Path:
    """Write a picture whole or not at all; the suffix picks the format.

    JPEG is written at full colour resolution. A suffix that is not written (.heic, none, ...) becomes PNG.

    Args:
        quality: of JPEG and WebP, 1 to 100.

    Returns:
        The path that was written.

    Raises:
        UserError: the file cannot be written.
    """
    path = _writable_name(Path(path))
    options: dict = {}
    if path.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".webp"):
        options = {"quality": quality, "subsampling": 0}  # the second is read by JPEG only
    elif path.suffix.lower() == ".png":
        # A quarter of the default's time, files 2 % larger
        options = {"compress_level": 1, "compress_type": zlib.Z_RLE}
    if image.info.get("icc_profile"):
        options["icc_profile"] = image.info["icc_profile"]
    try:
        with atomic_write(path) as temporary:
            image.save(temporary, **options)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _writable_name(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in WRITABLE:
        return path
    if suffix in READABLE:
        return path.with_suffix(".png")
    return path.with_name(path.name + ".png")  # "face.v2" has no suffix to lose


def _check_file(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ImageError(path, f"cannot be read ({error.strerror})") from error
    if not head:
        raise ImageError(path, "the file is empty")
    # Phones also name these files .jpg, so the content decides.
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        try:
            import pillow_heif
        except ImportError:
            raise ImageError(path, "a HEIC photo: `pip install pillow-heif` to read it") from None
        pillow_heif.register_heif_opener()


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooManyPixels(path, max_pixels)
    if min(width, height) < MIN_SIDE:
        raise ImageError(path, f"{width}x{height} is too small (at least {MIN_SIDE} px are needed)")


def _upright_rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _to_8_bit(image)
    if (
        image.has_transparency_data
        if hasattr(image, "has_transparency_data")
        else _has_alpha(image)
    ):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    image.info = {"icc_profile": profile} if profile else {}
    return image


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16 and 32 bits per pixel (modes I;16, I) span 0 to 65535; floats (mode F) 0 to 1, or 0 to 255."""
    values = np.asarray(image, dtype=np.float32)
    if image.mode == "F":
        values = values * 255 if np.nanmax(values) <= 1 else values
    else:
        values = values / 257
    return Image.fromarray(np.nan_to_num(values).round().clip(0, 255).astype(np.uint8))
