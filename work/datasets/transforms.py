"""Pictures to network inputs and back, as the reference's torchvision transforms do it."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_input(image: Image.Image, size: int = 256) -> np.ndarray:
    """An RGB image of any shape -> float32 [3, size, size] in [-1, 1] (bilinear with anti-aliasing)."""
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    return ((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)


STRIP = 128  # rows that are computed at a time: they stay in the processor's cache


def to_picture(values: np.ndarray, rounded: bool = False) -> Image.Image:
    """[3, H, W] in [-1, 1] -> an RGB image; values beyond are clipped.

    Args:
        rounded: to the nearest level, so that what did not change is the same 8-bit number again. The reference
            truncates, and so do the scripts whose pictures are compared with its own.
    """
    pixels = np.empty((*values.shape[1:], 3), np.uint8)
    for top in range(0, len(pixels), STRIP):
        strip = values[:, top : top + STRIP].astype(np.float32)
        if rounded:
            strip = ((strip + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
        else:
            strip = (((strip + 1) / 2).clip(0, 1) * 255).astype(np.uint8)
        pixels[top : top + STRIP] = strip.transpose(1, 2, 0)
    return Image.fromarray(pixels)
