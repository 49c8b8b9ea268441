"""Inputs that are worse than their targets: fewer pixels for super-resolution, mirrored faces for frontalisation.

As pSp trains them (Richardson et al. 2021, section 4): the target stays the face itself.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from work.datasets.transforms import to_input, to_picture


def lower_resolution(picture: Image.Image, factor: int) -> Image.Image:
    """Downsample a square RGB picture by `factor`, and upsample it to its old size.

    Down with pSp's bicubic filter, stretched by `factor`, up with a bilinear one. The factor 1 changes the picture
    too: the filter's taps lie between the pixels.
    """
    down = shrinking(picture.width, factor)
    pixels = np.asarray(picture, np.float32) / 255
    small = np.einsum("ih,hwc,jw->ijc", down, pixels, down, optimize=True).clip(0, 1)
    low = Image.fromarray((small * 255).astype(np.uint8))
    return low.resize(picture.size, Image.Resampling.BILINEAR)


@lru_cache(maxsize=8)
def shrinking(size: int, factor: int) -> np.ndarray:
    """The matrix [size / factor, size] that shrinks a row of pixels, mirrored beyond its ends."""
    taps = 4 * factor
    weights = _bicubic((np.arange(taps) - taps // 2 + 0.5) / factor)
    weights = (weights / weights.sum()).astype(np.float32)
    before = (taps - factor) // 2
    matrix = np.zeros((size // factor, size), np.float32)
    for row in range(len(matrix)):
        at = np.abs(np.arange(taps) + row * factor - before)
        np.add.at(matrix[row], np.where(at < size, at, 2 * size - 2 - at), weights)
    return matrix


def _bicubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys's cubic convolution kernel (1981, equation 4)."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def mirrored(faces: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Faces [N, 3, S, S], those of `which` [N] mirrored."""
    return np.where(which[:, None, None, None], faces[:, :, :, ::-1], faces)


def blurred(faces: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Faces [N, 3, S, S] in [-1, 1], each at 1 / its factor [N] of the resolution."""
    pictures = [to_picture(face, rounded=True) for face in faces]
    low = [lower_resolution(picture, int(f)) for picture, f in zip(pictures, factors)]
    return np.stack([to_input(picture, faces.shape[-1]) for picture in low])
