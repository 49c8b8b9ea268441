"""Photos from disk and back: every common format, upright, 8-bit RGB, and errors that name the file."""

from __future__ import annotations

import io
import os
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator

import numpy as np
from PIL import Image, ImageOps

from work.datasets.photo_info import has_alpha, kept_info, on_white, with_alpha
from work.errors import UserError, shown
from work.files import atomic_write, open_regular

MAX_PIXELS = 120_000_000  # the largest phone and medium-format cameras take 100 to 108 megapixels
ORIENTATION = 0x0112  # tag of EXIF
MIN_SIDE = 16  # px; nothing in this package can use less
READABLE = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm", ".gif", ".heic", ".heif", ".avif"),
}
# The content decides, not the suffix. Pillow knows more formats, one of which (PostScript) is a program to run.
FORMATS = "JPEG MPO PNG BMP DIB WEBP TIFF PPM GIF HEIF AVIF".split()
WRITABLE = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **{".png": "PNG", ".bmp": "BMP", ".webp": "WEBP", ".ppm": "PPM"},
}

# Pillow warns about large photos at 89 megapixels; below our own limit they are not suspicious.
Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, MAX_PIXELS)
# What it finds odd in a file that it can read (corrupt EXIF, unknown tags) is no news to a person.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(UserError):
    """One image cannot be used. The message is "<path>: <reason>"."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(shown(f"{path}: {reason}"))
        self.path, self.reason = Path(path), shown(reason)

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
        reason = "not a regular file" if root.exists() else "no such image or folder"
        raise UserError(f"{reason}: {shown(root)}")
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


@contextmanager
def open_image(source: str | Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a picture, of the allowed formats only, without decoding it. Pictures are opened nowhere else.

    Raises:
        ImageError: missing, not a regular file, empty, or none of the formats.
    """
    if not isinstance(source, (str, Path)):
        with Image.open(source, formats=_formats()) as image:
            yield image
        return
    try:
        file = open_regular(source)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(source, f"cannot be read ({reason})") from error
    with file:
        _check_head(Path(source), file.read(16))
        try:
            image = Image.open(file, formats=_formats())
        except Image.UnidentifiedImageError:
            raise ImageError(
                source, "not an image (JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP, GIF or PPM)"
            ) from None
        with image:
            yield image


def _formats() -> list[str]:
    """Those that this Pillow can read: AVIF came late, and HEIF is a package of its own."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read one photo as 8-bit RGB: EXIF orientation applied, transparency laid on white.

    Colour profile, EXIF and transparency travel along in `image.info` (see photo_info.py), where `save_image`
    finds them. Of an animation or a burst the first frame is read.

    Raises:
        TooManyPixels: over `max_pixels`.
        ImageError: missing, empty, truncated, not an image, or under 16 px.
    """
    path = Path(path)
    try:
        with open_image(path) as image:
            _check_size(path, image.size, max_pixels)
            image.load()
            return to_upright_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise TooManyPixels(path, max_pixels) from None
    except MemoryError:
        raise ImageError(path, "not enough memory to decode it") from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageError(path, f"damaged ({str(error) or type(error).__name__})") from error


def save_image(image: Image.Image, path: str | Path, quality: int = 95) -> Path:
    """Write a picture whole or not at all; the suffix picks the format.

    What `read_image` noted in `info` goes with it: colour profile, EXIF, and transparency where the format has it. JPEG
    is written at full colour resolution. A suffix that is not written (.heic, none, ...) becomes PNG.

    Args:
        quality: of JPEG and WebP, 1 to 100.

    Returns:
        The path that was written.

    Raises:
        UserError: the file cannot be written.
    """
    path = writable_name(Path(path))
    try:
        data = encoded(image, WRITABLE[path.suffix.lower()], quality)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except (OSError, ValueError) as error:  # ValueError: more pixels than the format can hold
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot write {shown(path)}: {reason}") from error
    return path


def encoded(image: Image.Image, format: str, quality: int) -> bytes:
    """A file's content, made in memory: Pillow's own JPEG writer does not notice when the disk is full."""
    options: dict[str, Any] = {}
    if format in ("JPEG", "WEBP"):
        options = {"quality": quality, "subsampling": 0}  # the second is read by JPEG only
    elif format == "PNG":
        # A quarter of the default's time, files 2 % larger
        options = {"compress_level": 1, "compress_type": zlib.Z_RLE}
    if format in ("JPEG", "WEBP", "PNG", "TIFF"):
        options.update({k: image.info[k] for k in ("icc_profile", "exif") if k in image.info})
    if format in ("WEBP", "PNG", "TIFF"):
        image = with_alpha(image)
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def writable_name(path: Path) -> Path:
    """The name under which `save_image` writes: what has no suffix that can be written becomes PNG."""
    suffix = path.suffix.lower()
    if suffix in WRITABLE:
        return path
    if suffix in READABLE:
        return path.with_suffix(".png")
    return path.with_name(path.name + ".png")  # "face.v2" has no suffix to lose


def _check_head(path: Path, head: bytes) -> None:
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


def to_upright_rgb(original: Image.Image) -> Image.Image:
    """Any picture as 8-bit RGB, turned as its EXIF says, transparency laid on white."""
    image = _upright(original)
    if image.mode.startswith(("I", "F")):
        image = _to_8_bit(image)
    info = kept_info(original, image)
    if has_alpha(image):
        image = on_white(info["rgba"] if "rgba" in info else image.convert("RGBA"))
    elif image.mode != "RGB" or image is original:
        image = image.convert("RGB")  # also makes the file's object a plain picture
    image.info = info
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says, or itself: large photos are not copied for nothing."""
    try:
        turned = image.getexif().get(ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # the pixels are there even where the EXIF is damaged
        return image


def _to_8_bit(image: Image.Image) -> Image.Image:
    """16 and 32 bits per pixel (modes I;16, I) span 0 to 65535; floats (mode F) 0 to 1, or 0 to 255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32)).clip(0, 65535)
    if image.mode == "F":
        values = values * 255 if values.max() <= 1 else values
    else:
        values = values / 257
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
