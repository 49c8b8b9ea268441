"""The two passes over a film: the first finds its people, the second changes them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.video_options import VideoOptions
from work.errors import UserError
from work.faces.aligned import AlignedFace, stack
from work.faces.detect import FaceDetector, FoundFaces
from work.inference.model import AgeingModel
from work.installation import PACKAGE_FOLDER
from work.loading import load_network
from work.locks import lock_folder
from work.progress import Progress, progress
from work.video.effect import REACH, AgedTrack, Effect
from work.video.join import try_container
from work.video.parts import FilmParts, folder_of
from work.video.probe import Source
from work.video.reader import FilmReader
from work.video.track import Known
from work.video.tracker import SAMPLE_SIZE, Tracker

MARGIN = 0.8  # times the smallest face: so small ones are detected, to fade in
Follow = Callable[..., Progress]


class Seconds(dict):
    """How long each part took, in seconds."""

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Add the block's time to a part."""
        start = time.monotonic()
        try:
            yield
        finally:
            self[part] = self.get(part, 0.0) + time.monotonic() - start


@dataclass
class Passes:
    """What both passes need: the film, the options, the model, and somebody who shows how far it is."""

    source: Source
    options: VideoOptions
    model: AgeingModel
    follow: Follow = progress
    seconds: Seconds = field(default_factory=Seconds)
    frames: Optional[int] = None  # that the first reading counted

    def watch(self) -> Tracker:
        """Read the film for the first time: its cuts, and its faces in every frame."""
        least = MARGIN * self.options.smallest
        detector = FaceDetector(smallest=max(20.0, least), turn=False)

        def detect(picture: Image.Image) -> FoundFaces:
            with self.seconds.of("detection"):
                return detector(picture)

        tracker = Tracker(detect, least, self._recognise())
        with self.seconds.of("first reading"), self._reader() as reader:
            with self._bar("finding people") as bar:
                for _, frame in reader:
                    tracker.show(frame)
                    _count(bar)
        if not tracker.count:
            raise UserError(f"{self.source.path}: there is no frame in this part of it")
        self.frames = tracker.count
        return tracker

    def _recognise(self) -> Callable[[Sequence[Image.Image]], Known]:
        """Tells who the face of a track is, and how old."""
        load = lru_cache(lambda: load_network("dlib_face"))

        @paddle.no_grad()
        def recognise(samples: Sequence[Image.Image]) -> Known:
            with self.seconds.of("people"):
                faces = [AlignedFace(sample) for sample in samples]
                embeddings = load().embed(stack(faces, SAMPLE_SIZE)).numpy()
                ages = self.model.ages(self.model.encode(faces))
            return Known(embeddings.mean(axis=0), ages)

        return recognise

    def write(self, out: Path, tracks: Sequence[AgedTrack]) -> int:
        """Read the film again and write it with its faces changed; how many frames are not as they were."""
        options, source, effect = self.options, self.source, Effect(tracks)
        folder = folder_of(out)
        try_container(out, source)
        try:
            with (
                lock_folder(folder, "OUT"),
                self.seconds.of("second reading"),
                FilmParts(
                    folder, source, self._made_of(), options.resume, options.codec, options.crf
                ) as parts,
            ):
                with self._bar("ageing") as bar, self._reader() as reader:
                    for when, before, after in self._changed(reader, effect, parts.frames, bar):
                        with self.seconds.of("waiting for the encoder"):
                            parts.add(when, after, after is not before)
                with self.seconds.of("joining"):
                    parts.join(out)
                return parts.changed
        except OSError as error:
            raise UserError(f"cannot write {out}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):  # not empty: parts are kept
                folder.rmdir()

    def _made_of(self) -> dict[str, Any]:
        """What decides what the frames look like."""
        chosen = self.options.plain()
        weights = Path(self.options.checkpoint_path or PACKAGE_FOLDER)
        files = sorted(weights.glob("*.pdparams")) if weights.is_dir() else [weights]
        states = [path.stat() for path in (self.source.path, *files)]
        chosen["files"] = [[state.st_size, state.st_mtime_ns] for state in states]
        for name in ("people", "report", "resume"):
            del chosen[name]
        return chosen

    def _changed(
        self, reader: FilmReader, effect: Effect, skip: int, bar: Progress
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each frame's time, the frame, and the frame changed, REACH frames after they were read; not of the first
        `skip` frames."""
        waiting: deque[tuple[int, int, np.ndarray]] = deque()

        def drawn() -> tuple[int, np.ndarray, np.ndarray]:
            number, when, frame = waiting.popleft()
            with self.seconds.of("pasting"):
                return when, frame, effect.draw(number, frame)

        for number, (when, frame) in enumerate(reader):
            _count(bar)
            if number >= skip - REACH:
                with self.seconds.of("networks"):
                    effect.see(number, frame)
            if number >= skip:
                waiting.append((number, when, frame))
            if len(waiting) > REACH:
                yield drawn()
        while waiting:
            yield drawn()

    def _reader(self) -> FilmReader:
        source = self.source
        return FilmReader(source.path, source.info, source.start, source.seconds)

    def _bar(self, label: str) -> Progress:
        source = self.source
        rest = max(0.0, source.info.seconds - source.start)
        length = min(source.seconds, rest) if source.seconds else rest
        total = self.frames or round(length * source.info.fps) or None
        return self.follow(total=total, unit="frame", label=label)


def _count(bar: Progress) -> None:
    """One frame more."""
    bar.update()
    spent = time.monotonic() - bar.start
    if spent > 0:
        bar.set_note(f"{bar.done / spent:.1f} frames per second")
