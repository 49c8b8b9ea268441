"""The face crop of pSp's identity metric, as its `calc_id_loss_parallel.py` cuts it.

Its similarities are on the scale of the SAM and pSp papers only if the crop is the papers', peculiarities included:

- P-Net's face logits go through a softmax along each row of windows, not over (no face, face).
- Boxes are whole pixels. One that leaves the picture is cropped with black and then cut to the picture, and
  what the next network says is applied to the cut box.
- The face with the best score counts, not the largest; its landmarks are O-Net's at the first pass.
- The 112 px crop is one bilinear warp of the full picture without a low-pass filter: it skips pixels of large faces.

Each of these alone moves the landmarks by 2 to 5 % of the distance between the eyes (median of 56 faces), since those
of the O-Net follow its box. `work.faces.detect` and `work.faces.align` look twice, and skip no pixel.
Source: MTCNN of TreB1eN's InsightFace_Pytorch as pSp ships it (models/mtcnn), with the same weights as ours.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import paddle
from PIL import Image

from work.faces.align import arcface_quad, crop_matrix
from work.faces.boxes import corrected, squared, suppressed
from work.models.mtcnn import MTCNN, OutputNet, RefineNet

SMALLEST = 20.0  # px of the smallest face
WINDOW, STRIDE = 12, 2  # px of the P-Net
STEP = 0.707  # from one level of the pyramid to the next
THRESHOLDS = (0.15, 0.25, 0.35)  # of the scores of P-Net, R-Net, O-Net
SIZE = 112  # px of the crop
BATCH = 512  # crops per call

# Boxes [n, 4] are left, top, right, bottom with right and bottom exclusive; pictures are [h, w, 3] uint8.


def find_landmarks(networks: MTCNN, picture: Image.Image) -> np.ndarray | None:
    """The five landmarks [5, 2] of the face with the best score, or None where there is no face.

    Left eye, right eye, nose, left and right corner of the mouth, in pixels of the RGB picture, used as if the
    first pixel's centre were at 0, as OpenCV counts.
    """
    pixels = np.asarray(picture)
    boxes = _propose(networks, picture)
    boxes, scores, moves = _judge(networks.rnet, pixels, boxes, 24, THRESHOLDS[1])[:3]
    keep = _suppressed(boxes, scores, 0.7)
    boxes = _whole_squares(corrected(boxes[keep], moves[keep]))
    boxes, scores, moves, points = _judge(networks.onet, pixels, boxes, 48, THRESHOLDS[2])
    if not len(boxes):
        return None
    points = boxes[:, None, :2] + points * (boxes[:, None, 2:] - boxes[:, None, :2])
    return points[_suppressed(corrected(boxes, moves), scores, 0.7, of="smaller")[0]]


def cut_face(picture: Image.Image, landmarks: np.ndarray) -> np.ndarray:
    """The 112 px crop [112, 112, 3] uint8 whose similarity transform fits ArcFace's template to the landmarks best."""
    to_crop = np.linalg.inv(crop_matrix(arcface_quad(landmarks), SIZE))[:2]
    return cv2.warpAffine(np.asarray(picture), to_crop, (SIZE, SIZE))


def _propose(networks: MTCNN, picture: Image.Image) -> np.ndarray:
    """P-Net's boxes on all levels of the pyramid."""
    scale, levels = WINDOW / SMALLEST, []
    while min(picture.size) * scale > WINDOW:
        size = [math.ceil(side * scale) for side in picture.size]
        level = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        with paddle.no_grad():
            logits, moves = networks.pnet.logits(_as_input(level[None]))
        scores = paddle.nn.functional.softmax(logits[0, 1], axis=-1).numpy()
        rows, columns = np.nonzero(scores > THRESHOLDS[0])
        corners = STRIDE * np.stack([columns, rows], axis=1) + 1
        boxes = np.concatenate([corners, corners + WINDOW], axis=1) / scale
        boxes = np.round(boxes) + (0, 0, 1, 1)
        scores, moves = scores[rows, columns], moves[0].numpy()[:, rows, columns].T
        keep = _suppressed(boxes, scores, 0.5)
        levels.append((boxes[keep], scores[keep], moves[keep]))
        scale *= STEP
    if not levels:
        return np.zeros((0, 4))
    boxes, scores, moves = (np.concatenate(part) for part in zip(*levels))
    keep = _suppressed(boxes, scores, 0.7)
    return _whole_squares(corrected(boxes[keep], moves[keep]))


def _judge(
    network: RefineNet | OutputNet,
    pixels: np.ndarray,
    boxes: np.ndarray,
    size: int,
    threshold: float,
) -> tuple[np.ndarray, ...]:
    """Boxes that a network takes for faces, cut to the picture: boxes, scores [n] float32, and its other outputs."""
    height, width = pixels.shape[:2]
    low, high = np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], (width, height))
    seen = (low < high).all(axis=1)
    cut = np.concatenate([low, high], axis=1)[seen]
    if not len(cut):
        return cut, np.zeros(0), np.zeros((0, 4)), np.zeros((0, 5, 2))
    pairs = zip(boxes[seen].astype(int), cut.astype(int))
    crops = np.stack([_padded(pixels, box, part, size) for box, part in pairs])
    with paddle.no_grad():
        parts = [network(_as_input(crops[i : i + BATCH])) for i in range(0, len(crops), BATCH)]
    odds, *others = (np.concatenate([t.numpy() for t in output]) for output in zip(*parts))
    scores = 1 / (1 + np.exp(-odds))
    sure = scores > threshold
    return (cut[sure], scores[sure], *(output[sure] for output in others))


def _padded(pixels: np.ndarray, box: np.ndarray, part: np.ndarray, size: int) -> np.ndarray:
    """A box resized to [size, size, 3], of which the picture holds `part`; the rest is black."""
    crop = np.zeros((box[3] - box[1], box[2] - box[0], 3), np.uint8)
    left, top, right, bottom = part - np.tile(box[:2], 2)
    crop[top:bottom, left:right] = pixels[part[1] : part[3], part[0] : part[2]]
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BILINEAR))


def _as_input(pictures: np.ndarray) -> paddle.Tensor:
    """Pictures [n, h, w, 3] uint8 -> [n, 3, h, w] in [-1, 1]."""
    return paddle.to_tensor((pictures.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)


def _whole_squares(boxes: np.ndarray) -> np.ndarray:
    """Square boxes of whole pixels; the last pixel inside, not the border after it, is rounded."""
    return np.round(squared(boxes) - (0, 0, 1, 1)) + (0, 0, 1, 1)


def _suppressed(
    boxes: np.ndarray, scores: np.ndarray, limit: float, of: str = "union"
) -> np.ndarray:
    """`suppressed`, but of boxes with equal scores the last comes first: float32 scores of clear faces are all 1."""
    return len(boxes) - 1 - suppressed(boxes[::-1], scores[::-1], limit, of)
