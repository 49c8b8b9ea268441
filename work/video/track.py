"""One face through one shot: where it is in every frame, and how much of the effect it gets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable, Optional

import numpy as np
from PIL import Image

from work.datasets.images import open_image
from work.faces.align import ffhq_quad, side_of
from work.video.motion import moved

FAR = 48  # frames beyond the nearest detection at which another's weight is below 1e-7
CALM = 8.0  # frames: the deviation of the Gaussian over which detected landmarks are averaged
FADE = 5  # frames: how far a fade reaches to both sides
# Where the nose is between the eyes (0.5: frontal): no effect below the first, all of it above the second.
TURNED = (-0.15, 0.1)
FACE = 0.5  # of the aligned crop's side: the width of the face
WELL_ABOVE = 1.25  # times the smallest width: from there on the effect is whole


@dataclass(frozen=True)
class Known:
    """Who the face of a track is: the mean embedding [D] of its samples, and their estimated ages in years."""

    embedding: np.ndarray
    ages: Sequence[float]


Recognise = Callable[[Sequence[Image.Image]], Known]  # n aligned faces of one track


@dataclass
class Track:
    """A face that was followed without a gap.

    Attributes:
        shot: the number of the shot.
        first: the number of the first frame.
        motion: for each frame since, the transform [3, 3] from the first frame's pixels.
        seen: by frame, the landmarks [5, 2] that were detected there.
        samples: aligned pictures of the face, 256 px, to tell who it is and how old, until the track ends.
        known: what they told.
        kept: one of them, as a JPEG file's bytes.
        misses: detections in a row that did not find the face; uncertain motion counts as several.
        begins, ends: the track goes up to a cut, or the film's end, where nothing fades.
    """

    shot: int
    first: int
    begins: bool
    motion: list[np.ndarray] = field(default_factory=lambda: [np.eye(3)])
    seen: dict[int, np.ndarray] = field(default_factory=dict)
    samples: list[Image.Image] = field(default_factory=list)
    known: Optional[Known] = None
    kept: bytes = b""
    ends: bool = False
    misses: int = 0

    @property
    def last(self) -> int:
        """The number of the last frame."""
        return self.first + len(self.motion) - 1

    def end(self, recognise: Optional[Recognise] = None) -> None:
        """Learn who it is, and let go of all pictures but one, so that long films fit in memory."""
        if recognise:
            self.known = recognise(self.samples)
        file = io.BytesIO()
        self.samples[len(self.samples) // 2].save(file, "JPEG", quality=95)
        self.samples, self.kept = [], file.getvalue()

    def picture(self) -> Image.Image:
        """A picture of the face, of a track that has ended."""
        with open_image(io.BytesIO(self.kept)) as picture:
            return picture.convert("RGB")

    def now(self) -> np.ndarray:
        """The landmarks [5, 2] in the last frame, as far as they are known while the film is read."""
        frame = max(self.seen)
        back = np.linalg.inv(self.motion[frame - self.first])
        return moved(self.motion[-1] @ back, self.seen[frame])

    def cut_off(self, frame: int) -> None:
        """Forget what comes after a frame."""
        del self.motion[frame - self.first + 1 :]

    def landmarks(self) -> np.ndarray:
        """The landmarks in every frame, [n, 5, 2], calm and without lag.

        Detections jitter by a pixel or two, the motion between neighbouring frames does not. So detections are
        brought back to the first frame along the motion, averaged there by a Gaussian in time, which looks as far
        ahead as behind, and sent along the motion again.
        """
        at = np.array(sorted(self.seen))
        still = np.stack(
            [moved(np.linalg.inv(self.motion[n - self.first]), self.seen[n]) for n in at]
        )
        calm = []
        for number, matrix in enumerate(self.motion, self.first):
            after = int(np.searchsorted(at, number))
            nearest = np.abs(at[max(0, after - 1) : after + 1] - number).min()
            low, high = np.searchsorted(at, [number - nearest - FAR, number + nearest + FAR + 1])
            distance = np.abs(at[low:high] - number)
            weight = np.exp(-0.5 * ((distance - nearest) * (distance + nearest)) / CALM**2)
            calm.append(moved(matrix, np.tensordot(weight / weight.sum(), still[low:high], 1)))
        return np.stack(calm)

    def strengths(self, landmarks: np.ndarray, smallest: float) -> np.ndarray:
        """How much of the effect each frame gets, [n] in 0..1.

        It fades over a few frames where the face comes, goes, is turned away or narrower than `smallest` px, and
        nowhere changes by more than 1 / (2 FADE + 1) from one frame to the next.
        """
        quads = np.stack([ffhq_quad(points) for points in landmarks])
        width = FACE * side_of(quads)
        size = _ramp(width, 0.999 * smallest, WELL_ABOVE * smallest)
        raw = size * _ramp(frontal(landmarks), *TURNED)
        rim = [np.full(2 * FADE, raw[0] * self.begins), raw, np.full(2 * FADE, raw[-1] * self.ends)]
        windows = np.lib.stride_tricks.sliding_window_view(np.concatenate(rim), 2 * FADE + 1)
        lowest = np.lib.stride_tricks.sliding_window_view(windows.min(axis=1), 2 * FADE + 1)
        return lowest.mean(axis=1)


def frontal(landmarks: np.ndarray) -> np.ndarray:
    """How much faces [n, 5, 2] look at the camera: 0.5 from the front, 0 and less where the nose covers an eye."""
    left, right, nose = landmarks[:, 0], landmarks[:, 1], landmarks[:, 2]
    across = right - left
    at = ((nose - left) * across).sum(axis=1) / np.maximum((across**2).sum(axis=1), 1e-9)
    return np.minimum(at, 1 - at)


def _ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((x - low) / (high - low), 0, 1)
