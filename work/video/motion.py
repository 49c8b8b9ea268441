"""What moves between two frames: one face, or everything, which is a cut."""

from __future__ import annotations

from typing import Optional

import cv2
import numpy as np

from work.faces.align import crop_matrix, ffhq_quad

POINTS = 60  # that are followed on a face
# Of the aligned crop's side: where the face is, without its background.
INNER = (0.22, 0.28, 0.78, 0.82)
BACK = 0.7  # px: a point that does not come back this close when followed backwards is lost
LEAST = 6  # points, below which nothing is known
# At a cut more than this share of the colours is new. In a dim film: 0.26 and more at cuts, elsewhere 0.09.
NEW_COLOURS = 0.15
# At a cut the correlation of the two pictures is below this: 0.26 and less at cuts, elsewhere 0.69.
ALIKE = 0.5
BINS = 8  # of each colour channel
THUMBNAIL = (64, 36)


class CutFinder:
    """Tells whether a frame begins a new shot: its colours are others, and its picture is another.

    A flash changes the colours and a fast pan the picture; a cut changes both. Dissolves are not found.
    """

    def __init__(self) -> None:
        self.before: Optional[tuple[np.ndarray, np.ndarray]] = None

    def __call__(self, frame: np.ndarray) -> bool:
        """Look at the next RGB frame; the first is no cut."""
        small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA)
        small = (np.sqrt(small / 255) * 255).astype(np.uint8)  # dark scenes differ too
        colours = cv2.calcHist([small], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3)
        grey = small.mean(axis=2) - small.mean()
        now, before = (colours / colours.sum(), grey), self.before
        self.before = now
        if before is None:
            return False
        new = 0.5 * np.abs(now[0] - before[0]).sum()
        alike = (grey * before[1]).mean() / (grey.std() * before[1].std() + 1)
        return bool(new > NEW_COLOURS and alike < ALIKE)


def follow(
    before: np.ndarray, after: np.ndarray, landmarks: np.ndarray
) -> tuple[Optional[np.ndarray], float]:
    """How a face moved from one frame to the next.

    Points on the face are followed by optical flow (Lucas and Kanade, in pyramids) there and back; those that return
    vote for a similarity transform.

    Args:
        before, after: grey frames [h, w] uint8.
        landmarks: [5, 2] in `before`.

    Returns:
        The transform [3, 3] in pixels, None if nothing is known, and the share 0..1 of points that agree with it.
    """
    points = _points(before, landmarks)
    if len(points) < LEAST:
        return None, 0.0
    start = points.reshape(-1, 1, 2).astype(np.float32) - 0.5  # OpenCV's first centre is at 0
    ahead, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, start.copy())
    returned, again, _ = cv2.calcOpticalFlowPyrLK(after, before, ahead, start.copy())
    away = np.abs(returned - start).max(axis=(1, 2))
    good = (found[:, 0] == 1) & (again[:, 0] == 1) & (away < BACK)
    if good.sum() < LEAST:
        return None, 0.0
    cv2.setRNGSeed(0)  # RANSAC draws; the same film is to come out the same twice
    matrix, agree = cv2.estimateAffinePartial2D(
        start[good] + 0.5, ahead[good] + 0.5, ransacReprojThreshold=1.5
    )
    if matrix is None:
        return None, 0.0
    return np.vstack([matrix, [0, 0, 1]]), float(agree.sum()) / len(points)


def _points(grey: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Corners of the picture [n, 2] inside the face."""
    matrix = crop_matrix(ffhq_quad(landmarks), 1)
    left, top, right, bottom = INNER
    corners = np.array([[left, top, 1], [left, bottom, 1], [right, bottom, 1], [right, top, 1]])
    shape = corners @ matrix[:2].T
    mask = np.zeros_like(grey)
    cv2.fillConvexPoly(mask, shape.round().astype(np.int32), (255,))
    gap = max(2.0, float(np.hypot(*matrix[:2, 0])) / 40)
    found = cv2.goodFeaturesToTrack(grey, POINTS, 0.01, gap, mask=mask)
    return np.zeros((0, 2)) if found is None else found[:, 0] + 0.5


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [n, 2] through a transform [3, 3]."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def similarity(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The similarity [3, 3] that brings points [n, 2] closest to others, by least squares."""
    a, b = (complex_of(points) for points in (start, end))
    da, db = a - a.mean(), b - b.mean()
    turn = (da.conj() @ db) / (da.conj() @ da).real
    shift = b.mean() - turn * a.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag], [0, 0, 1]]
    )


def complex_of(points: np.ndarray) -> np.ndarray:
    """Points [n, 2] as complex numbers [n]."""
    return points[:, 0] + 1j * points[:, 1]
