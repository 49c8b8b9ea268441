"""Reading a film frame by frame: ffmpeg decodes, two threads carry its frames and their times over."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import numpy as np

from work.datasets.video import find_ffmpeg
from work.errors import UserError
from work.video.probe import FilmInfo, input_words, last_error

WAITING = 8  # frames that are decoded ahead
TIME = re.compile(r"n: *\d+ pts: *(-?\d+) ")
KEPT = 50  # lines of ffmpeg's that are kept for messages


class FilmReader:
    """The frames of a film and their times, in order; a context manager and an iterator. Memory does not grow.

    Each item is a time in ticks of `info` and an RGB array [height, width, 3] uint8, which is upright and read only.

    Args:
        start, seconds: the part to read; 0 seconds: to the end.

    Raises:
        UserError: (while iterating) the film is damaged or cut off; nothing is left out silently.
    """

    def __init__(self, path: Path, info: FilmInfo, start: float = 0.0, seconds: float = 0.0):
        self.path, self.info = path, info
        words = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-xerror"]
        words += input_words(path, start, seconds)
        # The colours are turned into RGB by the film's own matrix, which the frames carry.
        # One size throughout, should the film change its own.
        size = f"w={info.width}:h={info.height}:flags=bicubic+accurate_rnd+full_chroma_int"
        chain = f"showinfo=checksum=0,scale={size},format=rgb24"
        words += ["-map", "0:v:0", "-vf", chain, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
        self.command = [find_ffmpeg(), *words]
        self.frames: queue.Queue[Optional[np.ndarray]] = queue.Queue(WAITING)
        self.times: queue.Queue[Optional[int]] = queue.Queue()
        self.lines: list[str] = []
        self.closed = False

    def __enter__(self) -> FilmReader:
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )
        self.threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        self.process.kill()
        while not self.frames.empty():  # the thread may wait for room
            self.frames.get_nowait()
        for thread in self.threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        last = 0
        while True:
            frame = self.frames.get()
            if frame is None:
                break
            time = self.times.get()
            if time is None:
                raise UserError(f"{self.path}: ffmpeg did not say when a frame is shown")
            yield time, frame
            last = time
        if self.process.wait():
            self.threads[1].join()  # all that ffmpeg complains about
            raise UserError(
                f"{self.path}: is damaged or cut off after {last / self.info.ticks:.1f} s "
                f"({last_error(''.join(self.lines))}); --seconds takes what is whole"
            )

    def _read(self) -> None:
        """Thread: carry frames from the pipe into the queue."""
        shape = (self.info.height, self.info.width, 3)
        size = int(np.prod(shape))
        assert self.process.stdout is not None
        while not self.closed:
            data = self.process.stdout.read(size)
            if len(data) < size:
                break
            self._put(np.frombuffer(data, np.uint8).reshape(shape))
        self._put(None)

    def _put(self, frame: Optional[np.ndarray]) -> None:
        while not self.closed:
            try:
                return self.frames.put(frame, timeout=0.2)
            except queue.Full:
                continue

    def _listen(self) -> None:
        """Thread: find the frames' times among ffmpeg's lines, and keep what it complains about."""
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            line = raw.decode(errors="replace")
            found = TIME.search(line)
            if found:
                self.times.put(int(found[1]) * self.info.step)
            elif "[error]" in line or "[fatal]" in line:
                self.lines = [*self.lines, line][-KEPT:]
        self.times.put(None)
