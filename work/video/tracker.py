"""Following faces through a film: they are detected every few frames and followed by their motion in between."""

from __future__ import annotations

from typing import Callable, Optional

import cv2
import numpy as np
from PIL import Image

from work.faces.align import align, ffhq_quad, side_of
from work.faces.detect import FoundFaces
from work.video.motion import CutFinder, follow, similarity
from work.video.track import FACE, Recognise, Track

EVERY = 5  # frames between two detections
SURE = 0.4  # share of the points that must agree on a motion; below, the face is looked for again
SAME = 0.3  # overlap of two quads, as a share of their union, from which they are one face
MISSES = 3  # detections in a row that may miss a face which its motion still shows
SAMPLES = 6  # pictures of a face that are kept
SAMPLE_SIZE = 256  # px
SAMPLE_GAP = 10  # frames between two of them, at first


class Tracker:
    """Is shown the frames of a film in order; `finish` gives the tracks.

    Args:
        detect: finds the faces of an RGB picture.
        smallest: narrower faces are left alone, px.
        recognise: tells who a track is once it has ended.
    """

    def __init__(
        self,
        detect: Callable[[Image.Image], FoundFaces],
        smallest: float,
        recognise: Optional[Recognise] = None,
    ):
        self.detect, self.smallest, self.recognise = detect, smallest, recognise
        self.is_cut = CutFinder()
        self.count, self.shot, self.looked = 0, 0, -EVERY
        self.live: list[Track] = []
        self.done: list[Track] = []
        self.cuts: list[int] = []

    def show(self, frame: np.ndarray) -> None:
        """Take the next frame, RGB [h, w, 3] uint8."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        begins = self.count == 0
        if self.is_cut(frame):
            self._end_shot()
            self.cuts.append(self.count)
            self.shot, begins = self.shot + 1, True
        sure = all([self._move(track, grey) for track in self.live])
        if begins or not sure or self.count - self.looked >= EVERY:
            self._look(frame, begins)
        self.grey, self.count = grey, self.count + 1

    def finish(self) -> list[Track]:
        """The tracks of all shots."""
        self._end_shot()
        return sorted(self.done, key=lambda track: (track.first, track.landmarks()[0, :, 0].mean()))

    def _end_shot(self) -> None:
        for track in self.live:
            if track.misses:
                track.cut_off(max(track.seen))
            else:
                track.ends = True
            self._end(track)
        self.live = []

    def _end(self, track: Track) -> None:
        """Put a track aside; not one that was seen once only, and may have been no face."""
        if len(track.seen) > 1 or track.begins and track.ends:
            track.end(self.recognise)
            self.done.append(track)

    def _move(self, track: Track, grey: np.ndarray) -> bool:
        """Send a track on to the next frame; whether its motion is certain."""
        step, share = follow(self.grey, grey, track.now())
        sure = step is not None and share >= SURE
        track.motion.append((step if step is not None else np.eye(3)) @ track.motion[-1])
        if not sure:
            # It ends unless it is detected now: something may have covered it.
            track.misses += MISSES
        return sure

    def _look(self, frame: np.ndarray, begins: bool) -> None:
        """Detect faces and tell each track its own."""
        self.looked = self.count
        picture = Image.fromarray(frame)
        found = list(self.detect(picture).landmarks)
        pairs = [
            (overlap(ffhq_quad(track.now()), ffhq_quad(points)), i, k)
            for i, track in enumerate(self.live)
            for k, points in enumerate(found)
        ]
        taken: dict[int, int] = {}
        for share, i, k in sorted(pairs, reverse=True):
            if share >= SAME and i not in taken and k not in taken.values():
                taken[i] = k
        lost = []
        for i, track in enumerate(self.live):
            if i in taken:
                self._see(track, found[taken[i]], picture)
            else:
                track.misses += 1
                if track.misses > MISSES:
                    lost.append(track)
        for track in lost:
            track.cut_off(max(track.seen))
            self.live.remove(track)
            self._end(track)
        for k, points in enumerate(found):
            wide = FACE * side_of(ffhq_quad(points))
            if k not in taken.values() and wide >= self.smallest:
                track = Track(self.shot, self.count, begins)
                self.live.append(track)
                self._see(track, points, picture)

    def _see(self, track: Track, points: np.ndarray, picture: Image.Image) -> None:
        if track.misses and track.seen:  # the motion is not known well: take it from what is seen
            frame = max(track.seen)
            step = similarity(track.seen[frame], points)
            track.motion[-1] = step @ track.motion[frame - track.first]
        track.misses = 0
        track.seen[self.count] = points
        due = SAMPLE_GAP * len(track.samples)  # soon at first, then more and more seldom
        if len(track.samples) < SAMPLES and len(track.motion) > due:
            track.samples.append(align(picture, points, SAMPLE_SIZE).image)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The shared area of the upright boxes around two quads [4, 2], as a share of their union."""
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    shared = np.clip(high - low, 0, None).prod()
    areas = [np.ptp(quad, axis=0).prod() for quad in (first, second)]
    return float(shared / (sum(areas) - shared))
