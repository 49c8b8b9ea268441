"""Arithmetic on boxes [n, 4]: left, top, right, bottom in pixels, as continuous coordinates (numpy only)."""

from __future__ import annotations

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas in square pixels, [n]."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def corrected(boxes: np.ndarray, corrections: np.ndarray) -> np.ndarray:
    """Move each side by its correction, given in units of the box's width or height."""
    sides = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
    return boxes + corrections * np.tile(sides, 2)


def squared(boxes: np.ndarray) -> np.ndarray:
    """Squares with the same centres and the longer of the sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def evened(boxes: np.ndarray) -> np.ndarray:
    """Squares with the same centres and areas."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.sqrt(areas(boxes))[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, limit: float, of: str = "union"
) -> np.ndarray:
    """Non-maximum suppression: indices of the boxes to keep, best first.

    Args:
        limit: a box goes if it shares more than this part with a better one.
        of: the part of what: the two boxes' "union", or the "smaller" of them (finds a box inside another).
    """
    order = np.argsort(-scores, kind="stable")
    size = areas(boxes)
    keep = []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        whole = (
            size[best] + size[rest] - shared
            if of == "union"
            else np.minimum(size[best], size[rest])
        )
        order = rest[shared <= limit * whole]
    return np.array(keep, dtype=int)


def turned_back(points: np.ndarray, turns: int, width: int, height: int) -> np.ndarray:
    """Points [..., 2] found in `numpy.rot90(image, turns)`, in the coordinates of the image (width x height)."""
    for turn in range(turns % 4):
        # Before a counter-clockwise quarter turn, (x, y) was at (W - y, x), where W is the width before it.
        before = width if (turns - turn) % 2 else height
        points = np.stack([before - points[..., 1], points[..., 0]], axis=-1)
    return points
