"""Ageing must not change how dark a person's skin is: the generator's old people are darker than its young ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import paddle
from paddle import Tensor

from work.inference.composite import without_colours

# Cheeks of an FFHQ-aligned face, as shares of its side: top, bottom, and the left edges and width of both
CHEEKS = (0.60, 0.68, (0.28, 0.65), 0.07)
CENTRE, RADII = (0.5, 0.58), (0.29, 0.36)  # of the ellipse that is the face; x, y
EDGE = 0.12  # how softly it ends, in radii


def keep_tone(photos: Tensor, changes: Tensor) -> Tensor:
    """Correct differences so that the median brightness of the cheeks stays as it was.

    The face is scaled in brightness, as by a lamp, inside a soft ellipse only, so that hair may turn grey.

    Args:
        photos: aligned faces [N, 3, S, S] in [-1, 1].
        changes: what is to be added to them, in the same units.
    """
    before, after = (cheek_luma(x) for x in (photos, photos + changes))
    gain = (before / after.clip(min=0.1)).clip(0.7, 1.4).reshape([-1, 1, 1, 1]) - 1
    return changes + face_mask(photos.shape[-1]) * gain * (photos + changes + 1)


def cheek_luma(faces: Tensor) -> Tensor:
    """The median luma of the cheeks of faces [N, 3, S, S] in [-1, 1]: [N] in 0..2."""
    size = faces.shape[-1]
    top, bottom, lefts, width = CHEEKS
    rows = slice(int(top * size), int(bottom * size))
    parts = [faces[:, :, rows, int(left * size) : int((left + width) * size)] for left in lefts]
    pixels = paddle.concat([without_colours(part)[:, 0].flatten(1) for part in parts], axis=1)
    return pixels.median(axis=1) + 1


@lru_cache(maxsize=4)
def face_mask(size: int) -> Tensor:
    """1 within the face of aligned faces of `size` pixels, 0 outside: [1, 1, size, size]."""
    places = (np.arange(size) + 0.5) / size
    x, y = ((places - c) / r for c, r in zip(CENTRE, RADII))
    outside = np.hypot(x[None], y[:, None]) - 1
    return paddle.to_tensor((1 / (1 + np.exp(outside / EDGE))).astype(np.float32)[None, None])
