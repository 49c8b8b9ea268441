"""The two times that a film is read: to find its people, and to change them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

import numpy as np
import paddle
from PIL import Image

from work.configs.video_options import VideoOptions
from work.errors import UserError
from work.faces.aligned import AlignedFace, stack
from work.faces.detect import FaceDetector, Faces
from work.files import atomic_write
from work.inference.model import AgeingModel
from work.loading import load_network
from work.progress import Progress, progress
from work.video.effect import REACH, AgedTrack, Effect
from work.video.people import Person, find_people
from work.video.reader import FilmReader
from work.video.track import Track
from work.video.tracker import SAMPLE_SIZE, Tracker
from work.video.writer import FilmWriter, Source

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

    def watch(self) -> Tracker:
        """Read the film for the first time: its cuts, and its faces in every frame."""
        least = MARGIN * self.options.smallest
        detector = FaceDetector(smallest=max(20.0, least), turn=False)

        def detect(picture: Image.Image) -> Faces:
            with self.seconds.of("detection"):
                return detector(picture)

        tracker = Tracker(detect, least)
        with self.seconds.of("first reading"), self._reader() as reader:
            with self._bar("finding people") as bar:
                for _, frame in reader:
                    tracker.show(frame)
                    _count(bar)
        if not tracker.count:
            raise UserError(f"{self.source.path}: there is no frame in this part of it")
        return tracker

    def recognise(self, tracks: Sequence[Track]) -> list[Person]:
        """The people behind the tracks."""
        if not tracks:
            return []
        network = load_network("dlib_face")

        def faces(samples: Sequence[Image.Image]) -> list[AlignedFace]:
            return [AlignedFace(sample) for sample in samples]

        @paddle.no_grad()
        def embed(samples: Sequence[Image.Image]) -> np.ndarray:
            return network.embed(stack(faces(samples), SAMPLE_SIZE)).numpy()

        def read_ages(samples: Sequence[Image.Image]) -> list[float]:
            return self.model.ages(self.model.encode(faces(samples)))

        with self.seconds.of("people"):
            return find_people(tracks, embed, read_ages)

    def write(self, out: Path, tracks: Sequence[AgedTrack]) -> int:
        """Read the film again and write it with its faces changed; how many frames are not as they were."""
        effect, changed = Effect(self.model, tracks), 0
        options = self.options
        try:
            with ExitStack() as all_of:
                temporary = all_of.enter_context(atomic_write(out))
                all_of.enter_context(self.seconds.of("second reading"))
                bar = all_of.enter_context(self._bar("ageing"))
                reader = all_of.enter_context(self._reader())
                writer: Optional[FilmWriter] = None
                for when, before, after in self._changed(reader, effect):
                    if writer is None:
                        writer = FilmWriter(
                            temporary, self.source, when, options.codec, options.crf
                        )
                        all_of.enter_context(writer)
                    with self.seconds.of("waiting for the encoder"):
                        writer.add(when, after)
                    changed += after is not before
                    _count(bar)
        except OSError as error:
            raise UserError(f"cannot write {out}: {error.strerror or error}") from error
        return changed

    def _changed(
        self, reader: FilmReader, effect: Effect
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each frame's time, the frame, and the frame changed: REACH frames after they were read."""
        waiting: deque[tuple[int, int, np.ndarray]] = deque()

        def drawn() -> tuple[int, np.ndarray, np.ndarray]:
            number, when, frame = waiting.popleft()
            with self.seconds.of("pasting"):
                return when, frame, effect.draw(number, frame)

        for number, (when, frame) in enumerate(reader):
            with self.seconds.of("networks"):
                effect.see(number, frame)
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
        return self.follow(total=round(length * source.info.fps) or None, unit="frame", label=label)


def _count(bar: Progress) -> None:
    """One frame more."""
    bar.update()
    spent = time.monotonic() - bar.start
    if spent > 0:
        bar.set_note(f"{bar.done / spent:.1f} frames per second")
