"""What ageing changes in the frames of a film: predicted, filtered in time along the face, and added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import paddle
from PIL import Image

from work.faces.align import head_quad, side_of
from work.faces.aligned import AlignedFace
from work.faces.paste import NewFace, box_of, sampled, weight_of
from work.inference.model import AgeingModel
from work.video.track import Track

REACH = 4  # frames that the filter looks ahead and behind
DEVIATION = 2.0  # frames, of the filter's Gaussian
UNSEEN = 1 / 512  # a strength below this changes no pixel


@dataclass
class AgedTrack:
    """A track with what it is to become.

    Attributes:
        model: draws the changes.
        own_age, target: in years.
        quads: [n, 4, 2] the face's corners in each frame.
        strengths: [n] in 0..1.
        size: px of a side of `changes`: as many as the face has in the film.
        changes: by frame, the predicted difference [size, size, 3], of 255; only those that are still needed.
    """

    track: Track
    model: AgeingModel
    own_age: float
    target: float
    quads: np.ndarray
    strengths: np.ndarray
    size: int
    changes: dict[int, np.ndarray] = field(default_factory=dict)

    def strength(self, frame: int) -> float:
        """At a frame of the film; 0 where the face is not followed."""
        if not self.track.first <= frame <= self.track.last:
            return 0.0
        return float(self.strengths[frame - self.track.first])

    def quad(self, frame: int) -> np.ndarray:
        """At a frame that the track has."""
        return self.quads[frame - self.track.first]

    def change(self, frame: int) -> np.ndarray:
        """The filtered difference [size, size, 3], of 255.

        A Gaussian over the REACH frames before and after, in the pixels of the aligned face, so that the effect moves
        with the face and nothing of the picture itself is averaged. The filter keeps no state and has no lag, since it
        looks as far ahead as behind; its output comes REACH frames after its input. Where the track begins or ends,
        the window is cut off.
        """
        near = [n for n in range(frame - REACH, frame + REACH + 1) if n in self.changes]
        weights = np.exp(-0.5 * (np.array(near, np.float32) - frame) ** 2 / DEVIATION**2)
        total = np.zeros((self.size, self.size, 3), np.float32)
        for n, weight in zip(near, weights / weights.sum()):
            total += weight * self.changes[n]
        return total


def prepare(
    track: Track, model: AgeingModel, own: float, target: float, smallest: float
) -> AgedTrack:
    """The smoothed positions of a track's face, and how strongly each frame changes."""
    landmarks = track.landmarks()
    quads = np.stack([head_quad(points) for points in landmarks])
    pixels = int(np.clip(np.median(side_of(quads)), 16, model.output_size))
    strengths = track.strengths(landmarks, smallest)
    return AgedTrack(track, model.for_size(pixels), own, target, quads, strengths, pixels)


class Effect:
    """Changes the faces of frames that are shown in order.

    `see` takes the next frame and predicts its differences; `draw` returns an earlier frame with its faces changed.
    Call `draw` REACH frames after `see`, so that the filter can look ahead.
    """

    def __init__(self, tracks: Sequence[AgedTrack]):
        self.tracks = tracks

    def see(self, number: int, frame: np.ndarray) -> None:
        """Predict the differences of a frame, RGB [h, w, 3] uint8, and forget those that are too old."""
        shown = [aged for aged in self.tracks if aged.strength(number) > UNSEEN]
        if shown:
            photo = Image.fromarray(frame)
            for aged in shown:
                aged.changes[number] = _predict(aged, AlignedFace(photo, aged.quad(number)))
        for aged in self.tracks:
            aged.changes.pop(number - 2 * REACH - 1, None)
            if number > aged.track.last + 2 * REACH:
                aged.changes.clear()

    def draw(self, number: int, frame: np.ndarray) -> np.ndarray:
        """The frame with its faces changed; every pixel outside their quads stays as it is."""
        shown = [aged for aged in self.tracks if number in aged.changes]
        if not shown:
            return frame
        result = np.array(frame)
        blank = Image.new("RGB", (1, 1))
        faces = [NewFace(blank, aged.quad(number), additive=True) for aged in shown]
        for aged, face in zip(shown, faces):
            others = [other for other in faces if other is not face]
            change = aged.change(number)
            add_change(result, frame, face, others, aged.strength(number) * change)
        return result


@paddle.no_grad()
def _predict(aged: AgedTrack, face: AlignedFace) -> np.ndarray:
    """The difference that a track's model draws for a face, [size, size, 3], of 255."""
    encoded = aged.model.encode_known([face], [aged.own_age])
    picture = aged.model.transform(encoded, paddle.full([1], aged.target))[0].numpy()
    change = 127.5 * (picture - face.values(picture.shape[-1])).transpose(1, 2, 0)
    return cv2.resize(change, (aged.size, aged.size), interpolation=cv2.INTER_AREA)


def add_change(
    result: np.ndarray,
    frame: np.ndarray,
    face: NewFace,
    others: Sequence[NewFace],
    change: np.ndarray,
) -> None:
    """Add a difference to `result` [h, w, 3] uint8, in place, with the masks with which photos are pasted.

    Args:
        frame: before any change.
        face, others: whose quads share out the pixels; pictures do not matter.
        change: [s, s, 3] in the pixels of the aligned face, of 255.
    """
    low, high = box_of(face.quad, frame.shape[1::-1])
    if (low >= high).any():
        return
    part = slice(low[1], high[1]), slice(low[0], high[0])
    x, y = np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1])[:, None] + 0.5
    weight = weight_of(face, others, x, y)[..., None]
    moved = weight * sampled(change, face.quad, low, high)
    result[part] = (result[part] + moved).round().clip(0, 255).astype(np.uint8)
