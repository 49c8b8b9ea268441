"""One image on its way through the detector: its pixels, its candidate boxes, and crops of them."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from PIL import Image

from work.faces.boxes import suppressed, turned_back

WINDOW, STRIDE = 12, 2  # px of the P-Net
SMALLEST = 20  # px of the smallest face after resizing
ROOM = 1.5  # a crop that is to be rotated is larger than its box: at least by the square root of 2


class Picture:
    """State of one image.

    Attributes:
        pixels: [1, 3, h, w] in [-1, 1], so small that the smallest face to be found has 20 px, and turned.
        boxes: [n, 4] in these pixels, the candidates of the latest network.
        moves: [m, 4], by which the first network corrects its candidates.
        scores, points: [n] (log-odds) of the first network and then of the last one, and [n, 5, 2] of the last one.
    """

    def __init__(self, image: Image.Image, smallest: float, turns: int):
        self.original, self.turns = image.size, turns
        self.size = [max(1, round(side * SMALLEST / smallest)) for side in image.size]
        filter = Image.Resampling.BOX if smallest > SMALLEST else Image.Resampling.BICUBIC
        array = np.rot90(np.asarray(image.resize(self.size, filter)), turns).astype(np.float32)
        self.pixels = paddle.to_tensor((array.transpose(2, 0, 1)[None] - 127.5) / 128)
        self.boxes, self.moves = np.zeros((0, 4)), np.zeros((0, 4))
        self.scores, self.points = np.zeros(0), np.zeros((0, 5, 2))

    def add_level(
        self, scores: np.ndarray, moves: np.ndarray, threshold: float, ratio: np.ndarray
    ) -> None:
        """Add the candidates of one level of the pyramid.

        Args:
            scores: [h, w]; moves: [4, h, w].
            ratio: (x, y) pixels of this picture per pixel of the level.
        """
        rows, columns = np.nonzero(scores > threshold)
        corner = STRIDE * np.stack([columns, rows], axis=1)
        boxes = np.concatenate([corner, corner + WINDOW], axis=1) * np.tile(ratio, 2)
        keep = suppressed(boxes, scores[rows, columns], 0.5)
        self.boxes = np.concatenate([self.boxes, boxes[keep]])
        self.scores = np.concatenate([self.scores, scores[rows, columns][keep]])
        self.moves = np.concatenate([self.moves, moves[:, rows, columns].T[keep]])

    def keep(self, chosen: np.ndarray) -> None:
        """Go on with some of the boxes: indices or a mask."""
        self.boxes, self.scores, self.points = (
            self.boxes[chosen],
            self.scores[chosen],
            self.points[chosen],
        )

    def crops(self, size: int, boxes: np.ndarray | None = None) -> paddle.Tensor:
        """The boxes' contents, averaged down to [n, 3, size, size]; grey outside the image."""
        boxes = self.boxes if boxes is None else boxes
        if not len(boxes):
            return paddle.zeros([0, 3, size, size])
        number = paddle.to_tensor(np.array([len(boxes)], np.int32))
        corners = paddle.to_tensor(boxes.astype(np.float32))
        return paddle.vision.ops.roi_align(self.pixels, corners, number, size, aligned=True)

    def back(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] of this picture in the pixels of the image as it was given."""
        return turned_back(points, self.turns, *self.size) * (np.array(self.original) / self.size)


def roomy(boxes: np.ndarray) -> np.ndarray:
    """Square boxes with the room that a rotation needs."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, ROOM / 2 * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([centres - half, centres + half], axis=1)


def rotated(crops: paddle.Tensor, angles: np.ndarray, size: int) -> paddle.Tensor:
    """Rotate the contents of crops of `roomy` boxes and cut out the boxes' share.

    Args:
        crops: [n, 3, s, s].
        angles: [n] radians: how far a face is tilted clockwise, and so how far it is turned back.

    Returns:
        [n, 3, size, size].
    """
    cos, sin = np.cos(angles) / ROOM, np.sin(angles) / ROOM
    zero = np.zeros_like(cos)
    matrix = (
        np.stack([cos, -sin, zero, sin, cos, zero], axis=1).reshape(-1, 2, 3).astype(np.float32)
    )
    grid = F.affine_grid(
        paddle.to_tensor(matrix), [len(angles), 3, 2 * size, 2 * size], align_corners=False
    )
    return F.avg_pool2d(F.grid_sample(crops, grid, align_corners=False), 2, 2)


def rotated_points(points: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Points [n, 5, 2] of `rotated`'s result, in 0..1 of its side, back in the box before the rotation."""
    cos, sin = np.cos(angles), np.sin(angles)
    matrix = np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)  # row vectors: transposed
    return (points - 0.5) @ matrix + 0.5
