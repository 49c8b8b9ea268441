"""Where an aligned picture of a face may change: in the head alone, or up to its border; both fade to nothing."""

from __future__ import annotations

import numpy as np

# In units of the crop's side; the mask ends before the crop does.
HALF_WIDTH, HALF_HEIGHT = (0.41, 0.48)
CENTRE_Y = 0.51
EXPONENT = 2.5  # 2 is an ellipse; more is boxier
FEATHER = 0.22  # the share of its radius over which the mask fades
# Hair is looked for in nearly all of the crop, down to the chin.
HAIR_BORDER = 0.05
CHIN = 0.66, 0.82  # the part of the crop, from above, in which the window fades
# Heights, from the top: with a hat the crop stays as it is above the first, and changes freely below the second.
BROW = 0.28, 0.40
CLOTHES = 0.74, 0.80  # heights, from the top: neck and clothes begin between them
BORDER_FADE = 0.12  # of the crop's side: how far a change of all of it fades in from its border


def head_mask(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 over the head of an FFHQ-aligned crop, falling smoothly to exactly 0 around it.

    Args:
        u, v: positions across and down, 0 to 1, of shapes that broadcast; the result has their shape and type.
    """
    across, down = np.abs(u - 0.5) / HALF_WIDTH, np.abs(v - CENTRE_Y) / HALF_HEIGHT
    radius = (across**EXPONENT + down**EXPONENT) ** (1 / EXPONENT)
    return _soft((1 - radius) / FEATHER)


def border_mask(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 in the middle of a crop, falling smoothly to exactly 0 at its border; else as `head_mask`."""
    across, down = (np.minimum(at, 1 - at) / BORDER_FADE for at in (u, v))
    return _soft(across) * _soft(down)


def hair_window(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 where a head's hair may be, 0 at the crop's border and below the chin; else as `head_mask`."""
    start, end = CHIN
    sides = _soft(u / HAIR_BORDER) * _soft((1 - u) / HAIR_BORDER)
    return sides * _soft(v / HAIR_BORDER) * _soft((end - v) / (end - start))


def below_brow(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 from the brows down, falling smoothly to 0 where a hat may be, in every column; else as `head_mask`."""
    start, end = BROW
    return _soft((v - start) / (end - start))


def below_mouth(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 where neck and clothes are, falling to 0 towards the mouth, in every column; else as `head_mask`."""
    start, end = CLOTHES
    return np.clip((v - start) / (end - start), 0, 1)


def _soft(x: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1 on, without a corner at either."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
