"""Augmentation of a pair of pictures: crop, sharpness, colours, noise and compression.

Input and target get the same changes, so that nothing but age differs between them. Noise and JPEG artefacts are
computed once, for the input, and added to the target too: the network learns to leave them where they are.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Optional

import numpy as np
from PIL import Image

from work.datasets.images import open_image
from work.datasets.transforms import to_input, to_picture

USED = 512  # px of the aligned face in use
LUMA = np.array([0.299, 0.587, 0.114], np.float32).reshape(3, 1, 1)  # ITU-R BT.601
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """How a picture is shown.

    Attributes:
        box: left, top, right and bottom of the part that is shown, as shares of the side.
        sharp: share of the pixels of a side that are left before the picture is enlarged again.
        gain, shift: of each channel [3, 1, 1], in units of [-1, 1].
        noise: its deviation, in the same units.
        quality: of JPEG; None does not compress.
    """

    box: Box
    mirrored: bool
    sharp: float
    grey: bool
    gain: np.ndarray
    shift: np.ndarray
    noise: float
    quality: Optional[int]


def draw_view(rng: np.random.Generator, size: int, whole: bool, spoilt: bool) -> View:
    """A random view of `size` pixels a side.

    Args:
        whole: nine tenths of the aligned face or more; else a crop at about the scale of USED.
        spoilt: noise and JPEG may come on top.
    """
    side = rng.uniform(0.9, 1.0) if whole else min(1.0, size / USED * rng.uniform(0.85, 1.2))
    left, top = rng.uniform(0, 1 - side, 2)
    gain = 1 + 0.12 * rng.standard_normal() + 0.05 * rng.standard_normal((3, 1, 1))
    shift = 0.08 * rng.standard_normal() + 0.04 * rng.standard_normal((3, 1, 1))
    sharp = rng.uniform(0.3, 1.0) if rng.random() < 0.4 else 1.0
    noise = rng.uniform(0, 0.08) if rng.random() < 0.3 else 0.0
    quality = int(rng.integers(30, 96)) if rng.random() < 0.4 else None
    return View(
        (left, top, left + side, top + side),
        bool(rng.random() < 0.5),
        sharp,
        bool(rng.random() < 0.05),
        gain.astype(np.float32),
        shift.astype(np.float32),
        noise if spoilt else 0.0,
        quality if spoilt else None,
    )


def show(picture: Image.Image, view: View, size: int) -> np.ndarray:
    """An RGB picture in a view, without noise and JPEG: float32 [3, size, size] in [-1, 1]."""
    left, top, right, bottom = (edge * side for edge, side in zip(view.box, picture.size * 2))
    less = max(1, round(view.sharp * size))
    part = picture.resize((less, less), Image.Resampling.BILINEAR, (left, top, right, bottom))
    x = to_input(part, size)
    x = x[:, :, ::-1] if view.mirrored else x
    x = np.repeat((LUMA * x).sum(axis=0, keepdims=True), 3, axis=0) if view.grey else x
    return (x * view.gain + view.shift).clip(-1, 1).astype(np.float32)


def spoil(x: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    """What noise and JPEG do to a picture [3, S, S] in [-1, 1]: the difference, to be added to it."""
    worse = x
    if view.noise:
        worse = worse + (view.noise * rng.standard_normal(x.shape)).astype(np.float32)
    if view.quality is not None:
        file = io.BytesIO()
        to_picture(worse, rounded=True).save(file, "JPEG", quality=view.quality)
        with open_image(file) as picture:
            worse = to_input(picture, x.shape[-1])
    return worse - x
