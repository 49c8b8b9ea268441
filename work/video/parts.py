"""The parts of a film that is being written, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from work.errors import UserError
from work.files import atomic_write, flush
from work.progress import say
from work.video.join import join
from work.video.probe import Source
from work.video.writer import FilmWriter

LENGTH = 300  # frames of a part: some ten seconds
INDEX, LISTING = "parts.json", "parts.ffconcat"


def folder_of(out: Path) -> Path:
    """Where the parts of a film lie until it is whole: hidden, beside it."""
    return out.with_name(f".{out.name}.parts")


@dataclass
class Part:
    """What is known of a part that is written: its first frame's time in ticks, its frames, and how many changed."""

    start: int
    frames: int = 0
    changed: int = 0


class FilmParts:
    """Pictures of a film, encoded in parts of LENGTH frames; a context manager.

    A part lies in the folder once it is whole, so a run that is killed loses one part at most. Parts stay after an
    error or an interruption, and are removed when the film has been joined.

    Args:
        folder: as `folder_of` says; locked by the caller.
        source: the old film.
        made_of: all that decides what the frames look like; parts that were made of something else are not taken.
        resume: go on after the parts that are there, instead of removing them.
        codec, crf: as for FilmWriter.

    Raises:
        UserError: the parts that are there do not fit.
    """

    def __init__(
        self,
        folder: Path,
        source: Source,
        made_of: dict[str, Any],
        resume: bool = False,
        codec: str = "h264",
        crf: int = 18,
    ):
        self.folder, self.source, self.made_of = folder, source, made_of
        self.codec, self.crf = codec, crf
        self.done = self._read() if resume else []
        self.writer: Optional[FilmWriter] = None

    def _read(self) -> list[Part]:
        index = self.folder / INDEX
        if not index.exists():
            say("note: --resume: there are no parts of this film yet")
            return []
        try:
            known = json.loads(index.read_text(encoding="utf-8"))
            made_of, parts = known["made_of"], [Part(**part) for part in known["parts"]]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{index}: is damaged ({error!r}); begin anew, without --resume"
            ) from error
        if made_of != self.made_of:
            raise UserError(
                "--resume: the parts that are there were made with other options or of another film; "
                "begin anew, without --resume"
            )
        return parts

    @property
    def frames(self) -> int:
        """Frames in finished parts."""
        return sum(part.frames for part in self.done)

    @property
    def changed(self) -> int:
        """Frames in finished parts that are not as they were."""
        return sum(part.changed for part in self.done)

    def __enter__(self) -> FilmParts:
        if not self.done:
            for path in self.folder.glob("[!.]*"):
                path.unlink()
        return self

    def add(self, time: int, frame: np.ndarray, changed: bool) -> None:
        """Append a frame [height, width, 3] uint8 that is shown from `time` on, in ticks."""
        if self.writer is None:
            self.now, self.path = Part(time), self.folder / self._name(len(self.done))
            writer = FilmWriter(self.path, self.source.info, time, self.codec, self.crf)
            self.writer = writer.__enter__()
        self.writer.add(time, frame)
        self.now.frames += 1
        self.now.changed += changed
        if self.now.frames == LENGTH:
            self._finish()

    def _finish(self) -> None:
        """End the part, and write down that it is whole."""
        if self.writer is not None:
            writer, self.writer = self.writer, None
            writer.__exit__(None, None, None)
            flush(self.path)
            self.done.append(self.now)
            known = {"made_of": self.made_of, "parts": [asdict(part) for part in self.done]}
            with atomic_write(self.folder / INDEX) as temporary:
                temporary.write_text(json.dumps(known), encoding="utf-8")

    def join(self, out: Path) -> None:
        """Finish the last part and write the film with its sound, whole or not at all."""
        self._finish()
        lines = ["ffconcat version 1.0"]
        for number, part in enumerate(self.done):
            lines.append(f"file {self._name(number)}")
            if number + 1 < len(self.done):  # by the film's own times, which no part knows
                ticks = self.done[number + 1].start - part.start
                lines.append(f"duration {ticks / self.source.info.ticks:.6f}")
        (self.folder / LISTING).write_text("\n".join(lines) + "\n", encoding="utf-8")
        with atomic_write(out) as temporary:
            join(self.folder / LISTING, temporary, self.source, self.done[0].start)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self.writer is not None:
            self.writer.__exit__(kind, error, trace)
            self.path.unlink(missing_ok=True)
        if kind is None or not self.done:
            for path in self.folder.glob("[!.]*"):
                path.unlink()
        else:
            say(f"{self.frames} frames are kept in {self.folder}; --resume goes on after them")

    def _name(self, number: int) -> str:
        return f"{number:05d}.mp4"
