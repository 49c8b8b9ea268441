"""Finding faces and their landmarks with MTCNN: image pyramid, three networks, suppression, uprighting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn.functional as F
from PIL import Image

from work.faces.boxes import areas, corrected, evened, squared, suppressed
from work.faces.picture import SMALLEST, WINDOW, Picture, roomy, rotated, rotated_points
from work.loading import load_network
from work.models.mtcnn import MTCNN

SMALLEST_SHARE = 0.015  # of an image's longer side, that a face is wide at least
STEP = 0.709  # from one level of the pyramid to the next: half the area
THRESHOLDS = np.log([0.6 / 0.4, 0.7 / 0.3, 0.9 / 0.1])  # of P(face) after each network, as log-odds
# A tilted face is found, but its landmarks are right only when upright.
TILTS = np.arange(8) * np.pi / 4
SURE = 3.0  # log-odds by which another tilt must beat the upright one
BATCH = 512  # crops per call


@dataclass
class FoundFaces:
    """What was found in one image, the largest face first.

    Attributes:
        boxes: [n, 4] left, top, right, bottom in pixels of the image, not clipped to it.
        landmarks: [n, 5, 2] (x, y): left eye, right eye, nose, left and right corner of the mouth;
            left and right as the upright face is seen.
        scores: [n] P(face).
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


class FaceDetector:
    """MTCNN on the current device.

    Args:
        smallest: smallest face in pixels; by default 20, or 1.5 % of a large image's longer side.
        turn: where nothing certain is found, look at the image turned by 90, 180 and 270 degrees too.
    """

    def __init__(self, smallest: float | None = None, turn: bool = True):
        self.networks: MTCNN = load_network("mtcnn")
        self.smallest, self.turn = smallest, turn

    def __call__(self, image: Image.Image) -> FoundFaces:
        """Find the faces of one RGB image."""
        return self.detect([image])[0]

    def detect(self, images: Sequence[Image.Image]) -> list[FoundFaces]:
        """Find the faces of several RGB images; the networks run on the crops of all of them at once."""
        found = self._detect(images, 0)
        if self.turn:
            for turns in (1, 3, 2):
                doubtful = [
                    i for i, faces in enumerate(found) if faces.scores.max(initial=0) < 0.95
                ]
                for i, faces in zip(doubtful, self._detect([images[i] for i in doubtful], turns)):
                    if faces.scores.max(initial=0) > found[i].scores.max(initial=0):
                        found[i] = faces
        return found

    def smallest_in(self, image: Image.Image) -> float:
        """The width in pixels of the smallest faces that are looked for in an image."""
        return self.smallest or max(SMALLEST, SMALLEST_SHARE * max(image.size))

    def _detect(self, images: Sequence[Image.Image], turns: int) -> list[FoundFaces]:
        pictures = [Picture(image, self.smallest_in(image), turns) for image in images]
        if not pictures:
            return []
        with paddle.no_grad():
            self._propose(pictures)
            self._refine(pictures)
            self._finish(pictures)
            if any(len(picture.boxes) for picture in pictures):
                self._upright(pictures)
        return [_faces(picture) for picture in pictures]

    def _propose(self, pictures: list[Picture]) -> None:
        by_size: dict[tuple[int, ...], list[Picture]] = {}
        for picture in pictures:
            by_size.setdefault(tuple(picture.pixels.shape), []).append(picture)
        for same in by_size.values():
            pixels = paddle.concat([picture.pixels for picture in same])
            for scale in _scales(pixels.shape[2:]):
                size = [int(np.ceil(side * scale)) for side in pixels.shape[2:]]
                scores, moves = self.networks.pnet(F.adaptive_avg_pool2d(pixels, size))
                ratio = np.array(pixels.shape[3:1:-1]) / size[::-1]  # rounded: not quite 1 / scale
                for picture, score, move in zip(same, scores.numpy(), moves.numpy()):
                    picture.add_level(score, move, THRESHOLDS[0], ratio)
        for picture in pictures:
            keep = suppressed(picture.boxes, picture.scores, 0.7)
            picture.boxes = squared(corrected(picture.boxes[keep], picture.moves[keep]))

    def _refine(self, pictures: list[Picture]) -> None:
        crops = [picture.crops(24) for picture in pictures]
        for picture, (scores, moves) in zip(pictures, self._judge(self.networks.rnet, crops)):
            sure = scores > THRESHOLDS[1]
            boxes, scores, moves = picture.boxes[sure], scores[sure], moves[sure]
            keep = suppressed(boxes, scores, 0.7)
            picture.boxes = squared(corrected(boxes[keep], moves[keep]))

    def _finish(self, pictures: list[Picture]) -> None:
        crops = [picture.crops(48) for picture in pictures]
        for picture, (scores, moves, _) in zip(pictures, self._judge(self.networks.onet, crops)):
            boxes = corrected(picture.boxes, moves)
            sure = np.flatnonzero(scores > THRESHOLDS[2])
            keep = sure[suppressed(boxes[sure], scores[sure], 0.7, of="smaller")]
            picture.boxes, picture.scores = boxes[keep], scores[keep]

    def _upright(self, pictures: list[Picture]) -> None:
        """Find the landmarks: at the best of eight tilts, then once more at the tilt that these say."""
        found = [(picture, evened(picture.boxes)) for picture in pictures if len(picture.boxes)]
        crops = paddle.concat([picture.crops(144, roomy(box)) for picture, box in found])
        at = [self._tilted(crops, np.full(len(crops), tilt)) for tilt in TILTS]
        scores = np.stack([score for score, _ in at])
        scores[0] += SURE  # most faces are upright
        points = np.stack([p for _, p in at])[scores.argmax(axis=0), np.arange(len(crops))]
        tilts = _tilt(points)
        results = self._tilted(crops, tilts), self._tilted(crops, tilts, mirrored=True)
        scores, points = (np.mean(both, axis=0) for both in zip(*results))
        start = 0
        for picture, box in found:
            part = slice(start, start + len(box))
            picture.scores = scores[part]
            picture.points = box[:, None, :2] + points[part] * (box[:, 2:] - box[:, :2])[:, None]
            picture.keep((picture.scores > THRESHOLDS[2]) & _plausible(picture.points))
            start += len(box)

    def _tilted(
        self, crops: paddle.Tensor, angles: np.ndarray, mirrored: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The O-Net's scores [n] and landmarks [n, 5, 2], in 0..1 of the boxes, at given tilts [n]."""
        upright = rotated(crops, angles, 48)
        ((scores, _, points),) = self._judge(
            self.networks.onet, [upright.flip(3) if mirrored else upright]
        )
        if mirrored:
            points = points[:, [1, 0, 2, 4, 3]] * [-1, 1] + [1, 0]
        return scores, rotated_points(points, angles)

    def _judge(self, network, crops: list[paddle.Tensor]) -> list[list[np.ndarray]]:
        """Run a network on the crops of all pictures together; its outputs per picture, as numpy arrays."""
        # Paddle 2.6 cannot join nothing; one crop more gives the outputs their shapes.
        full = [crop for crop in crops if len(crop)]
        joined = paddle.concat(full) if full else paddle.zeros([1, *crops[0].shape[1:]])
        parts = [network(joined[i : i + BATCH]) for i in range(0, len(joined), BATCH)]
        outputs = [
            np.concatenate([part[k].numpy() for part in parts]) for k in range(len(parts[0]))
        ]
        ends = np.cumsum([len(crop) for crop in crops])
        return [[output[end - len(c) : end] for output in outputs] for c, end in zip(crops, ends)]


def _faces(picture: Picture) -> FoundFaces:
    corners = picture.back(picture.boxes.reshape(-1, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    order = np.argsort(-areas(boxes), kind="stable")
    scores = 1 / (1 + np.exp(-picture.scores))
    return FoundFaces(boxes[order], picture.back(picture.points)[order], scores[order])


def _scales(size: Sequence[int]) -> list[float]:
    """Scales of the pyramid, so that faces of 20 px up to the whole image fill the window."""
    scales, scale = [], WINDOW / SMALLEST
    while min(size) * scale >= WINDOW:
        scales.append(scale)
        scale *= STEP
    return scales


def _tilt(points: np.ndarray) -> np.ndarray:
    """How far the faces are tilted clockwise, in radians [n]: from the eyes to the mouth is down."""
    down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)
    return np.arctan2(-down[:, 0], down[:, 1])


def _plausible(points: np.ndarray) -> np.ndarray:
    """Whether landmarks [n, 5, 2] can be a face's, [n] bool: the right eye is on the right, seen upright."""
    down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)
    across = points[:, 1] - points[:, 0]
    return across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0
