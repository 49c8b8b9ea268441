"""The head in an aligned face: where a picture of it may change, fading softly to nothing around it."""

from __future__ import annotations

import numpy as np

HALF_WIDTH, HALF_HEIGHT = (
    0.41,
    0.48,
)  # in units of the crop's side; the mask ends before the crop does
CENTRE_Y = 0.51
EXPONENT = 2.5  # 2 is an ellipse; more is boxier
FEATHER = 0.22  # the share of its radius over which the mask fades


def head_mask(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 over the head of an FFHQ-aligned crop, falling smoothly to exactly 0 around it.

    Args:
        u, v: positions across and down, 0 to 1, of shapes that broadcast; the result has their shape and type.
    """
    across, down = np.abs(u - 0.5) / HALF_WIDTH, np.abs(v - CENTRE_Y) / HALF_HEIGHT
    radius = (across**EXPONENT + down**EXPONENT) ** (1 / EXPONENT)
    ramp = np.clip((1 - radius) / FEATHER, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
