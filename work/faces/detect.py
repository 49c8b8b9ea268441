"""Finding faces and their landmarks with MTCNN: image pyramid, three networks, suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
from PIL import Image

from work.faces.boxes import areas, corrected, squared, suppressed, turned_back
from work.models.mtcnn import MTCNN

WINDOW, STRIDE = 12, 2  # px of the P-Net
STEP = 0.709  # from one level of the pyramid to the next: half the area
THRESHOLDS = (0.6, 0.7, 0.9)  # of P(face) after each network
SMALLEST = 20  # px; faces are searched from this size, or from 1.5 % of a large photo's longer side
SURE = 0.95  # below this score the photo may lie on its side
BATCH = 512  # crops per call


@dataclass
class Faces:
    """What was found in one image, the largest face first.

    Attributes:
        boxes: [n, 4] left, top, right, bottom in pixels of the image, not clipped to it.
        landmarks: [n, 5, 2] (x, y): left eye, right eye, nose, left and right corner of the mouth;
            left and right as the upright face is seen.
        scores: [n] P(face).
        turns: quarter turns (counter-clockwise) that make the faces upright.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray
    turns: int = 0

    def __len__(self) -> int:
        return len(self.scores)


def no_faces() -> Faces:
    return Faces(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))


class FaceDetector:
    """MTCNN on the current device.

    Args:
        weights: a checkpoint of kind "mtcnn"; by default the known one, fetched on first use.
        smallest: smallest face in pixels; by default 20, or 1.5 % of a large image's longer side.
        turn: also look at the image turned by 90, 180 and 270 degrees when nothing certain is found.
    """

    def __init__(
        self, weights: str | Path | None = None, smallest: float | None = None, turn: bool = True
    ):
        from work.models.checkpoint import load_state, read_checkpoint
        from work.models.pretrained import weights_path

        path = weights or weights_path("mtcnn")
        self.networks = MTCNN()
        load_state(self.networks, read_checkpoint(path).state_dict, str(path))
        self.networks.eval()
        self.smallest, self.turn = smallest, turn

    def __call__(self, image: Image.Image) -> Faces:
        """Find the faces of one RGB image."""
        return self.detect([image])[0]

    def detect(self, images: Sequence[Image.Image]) -> list[Faces]:
        """Find the faces of several RGB images; the networks run on the crops of all of them at once."""
        found = self._detect(images, 0)
        doubtful = [i for i, faces in enumerate(found) if faces.scores.max(initial=0) < SURE]
        if self.turn and doubtful:
            for turns in (1, 3, 2):
                turned = self._detect([images[i] for i in doubtful], turns)
                for i, faces in zip(doubtful, turned):
                    if faces.scores.max(initial=0) > found[i].scores.max(initial=0):
                        found[i] = faces
        return found

    def _detect(self, images: Sequence[Image.Image], turns: int) -> list[Faces]:
        with paddle.no_grad():
            pictures = [_Picture(image, self.smallest, turns) for image in images]
            self._propose(pictures)
            self._refine(pictures)
            self._finish(pictures)
        return [picture.faces(image.size) for picture, image in zip(pictures, images)]

    def _propose(self, pictures: list[_Picture]) -> None:
        by_size: dict[tuple[int, ...], list[_Picture]] = {}
        for picture in pictures:
            by_size.setdefault(tuple(picture.pixels.shape), []).append(picture)
        for same in by_size.values():
            pixels = paddle.concat([picture.pixels for picture in same])
            for scale in _scales(pixels.shape[2:]):
                size = [int(np.ceil(side * scale)) for side in pixels.shape[2:]]
                scores, moves = self.networks.pnet(F.interpolate(pixels, size=size, mode="area"))
                ratio = (
                    np.array(pixels.shape[3:1:-1]) / size[::-1]
                )  # rounded sizes: not quite 1 / scale
                for picture, score, move in zip(same, scores.numpy(), moves.numpy()):
                    picture.add_level(score, move, np.tile(ratio, 2))
        for picture in pictures:
            keep = suppressed(picture.boxes, picture.scores, 0.7)
            picture.boxes = squared(corrected(picture.boxes[keep], picture.moves[keep]))

    def _refine(self, pictures: list[_Picture]) -> None:
        for picture, (scores, moves) in zip(
            pictures, self._judge(self.networks.rnet, pictures, 24)
        ):
            sure = scores > THRESHOLDS[1]
            boxes, scores, moves = picture.boxes[sure], scores[sure], moves[sure]
            keep = suppressed(boxes, scores, 0.7)
            picture.boxes = squared(corrected(boxes[keep], moves[keep]))

    def _finish(self, pictures: list[_Picture]) -> None:
        for picture, (scores, moves, points) in zip(
            pictures, self._judge(self.networks.onet, pictures, 48)
        ):
            boxes = picture.boxes
            points = boxes[:, None, :2] + points * (boxes[:, 2:] - boxes[:, :2])[:, None]
            sure = (scores > THRESHOLDS[2]) & _plausible(points)
            boxes, scores, points = corrected(boxes, moves)[sure], scores[sure], points[sure]
            keep = suppressed(boxes, scores, 0.7, of="smaller")
            picture.boxes, picture.scores, picture.points = boxes[keep], scores[keep], points[keep]

    def _judge(self, network, pictures: list[_Picture], size: int) -> list[list[np.ndarray]]:
        """Run a network on all crops of all pictures; its outputs per picture, as numpy arrays."""
        crops = paddle.concat([picture.crops(size) for picture in pictures])
        if not len(crops):
            crops = paddle.zeros([1, 3, size, size])  # so that the outputs have their shapes
        parts = [network(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
        outputs = [
            np.concatenate([part[k].numpy() for part in parts]) for k in range(len(parts[0]))
        ]
        ends = np.cumsum([len(picture.boxes) for picture in pictures])
        return [
            [output[end - len(p.boxes) : end] for output in outputs]
            for p, end in zip(pictures, ends)
        ]


class _Picture:
    """One image on its way through the cascade."""

    def __init__(self, image: Image.Image, smallest: float | None, turns: int):
        smallest = smallest or max(SMALLEST, 0.015 * max(image.size))
        size = [max(1, round(side * SMALLEST / smallest)) for side in image.size]
        filter = Image.Resampling.BOX if smallest > SMALLEST else Image.Resampling.BICUBIC
        array = np.rot90(np.asarray(image.resize(size, filter)), turns).astype(np.float32)
        self.pixels = paddle.to_tensor((array.transpose(2, 0, 1)[None] - 127.5) / 128)
        self.size, self.turns = size, turns
        self.boxes, self.moves = np.zeros((0, 4)), np.zeros((0, 4))
        self.scores, self.points = np.zeros(0), np.zeros((0, 5, 2))

    def add_level(self, scores: np.ndarray, moves: np.ndarray, ratio: np.ndarray) -> None:
        """Add one pyramid level's candidates: scores [h, w], moves [4, h, w], ratio [4] to this picture."""
        rows, columns = np.nonzero(scores > THRESHOLDS[0])
        corner = STRIDE * np.stack([columns, rows], axis=1)
        boxes = np.concatenate([corner, corner + WINDOW], axis=1) * ratio
        scores = scores[rows, columns]
        keep = suppressed(boxes, scores, 0.5)
        self.boxes = np.concatenate([self.boxes, boxes[keep]])
        self.scores = np.concatenate([self.scores, scores[keep]])
        self.moves = np.concatenate([self.moves, moves[:, rows, columns].T[keep]])

    def crops(self, size: int) -> paddle.Tensor:
        """The boxes' contents, averaged down to size x size; grey outside the image."""
        count = len(self.boxes)
        if not count:
            return paddle.zeros([0, 3, size, size])
        boxes = paddle.to_tensor(self.boxes.astype(np.float32))
        number = paddle.to_tensor(np.array([count], np.int32))
        return paddle.vision.ops.roi_align(self.pixels, boxes, number, size, aligned=True)

    def faces(self, size: tuple[int, int]) -> Faces:
        """The result in the coordinates of the image as it was given, of `size` (width, height)."""
        if not len(self.scores):
            return no_faces()
        ratio = np.array(size) / self.size
        corners = turned_back(self.boxes.reshape(-1, 2, 2), self.turns, *self.size) * ratio
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        points = turned_back(self.points, self.turns, *self.size) * ratio
        order = np.argsort(-areas(boxes), kind="stable")
        return Faces(boxes[order], points[order], self.scores[order], self.turns)


def _scales(size: Sequence[int]) -> list[float]:
    """Scales of the pyramid, so that faces of 20 px up to the whole image fill the window."""
    scales, scale = [], WINDOW / SMALLEST
    while min(size) * scale >= WINDOW:
        scales.append(scale)
        scale *= STEP
    return scales


def _plausible(points: np.ndarray) -> np.ndarray:
    """Whether landmarks [n, 5, 2] lie as in a face that is about upright: [n] bool."""
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    return (mouth[:, 1] > eyes[:, 1]) & (points[:, 1, 0] > points[:, 0, 0])
