"""Films: frames are streamed to ffmpeg, so that memory does not grow with their length."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, Optional

import numpy as np
from PIL import Image

from work.errors import UserError
from work.files import atomic_write

# H.264 as every browser plays it: 4:2:0, the index in front, colours tagged as what they are (BT.709).
MP4 = "-c:v libx264 -preset medium -crf 18 -movflags +faststart"
MP4 += " -vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
MP4 += ",setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
# A palette per frame: one for the whole film would need all frames at once.
GIF = "-filter_complex split[a][b];[a]palettegen=stats_mode=single[p];"
GIF += "[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4 -loop 0"
WEBP = "-c:v libwebp_anim -quality 85 -loop 0"
CODECS = {".mp4": MP4, ".gif": GIF, ".webp": WEBP}


def check_film_name(path: Path, fps: int) -> None:
    """Raise UserError for a suffix or a frame rate that cannot be written."""
    if path.suffix.lower() not in CODECS:
        raise UserError(f"{path}: films are written as {', '.join(CODECS)}")
    if path.suffix.lower() == ".gif" and fps > 50:
        raise UserError(f"--fps {fps}: GIF knows no more than 50 frames per second")


def find_ffmpeg() -> str:
    """The ffmpeg program that the PyPI package imageio-ffmpeg brings (or $IMAGEIO_FFMPEG_EXE).

    Raises:
        UserError: it is not there.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except ImportError:
        raise UserError("films need ffmpeg: pip install imageio-ffmpeg") from None
    except RuntimeError as error:
        raise UserError(f"films need ffmpeg: {error}") from error


class Encoder:
    """An ffmpeg process that takes frames; a context manager. The size is that of the first frame.

    Args:
        path: its suffix chooses the format.
        fps: frames per second.
    """

    def __init__(self, path: Path, fps: int):
        self.path, self.fps, self.program = path, fps, find_ffmpeg()
        self.process: Optional[subprocess.Popen] = None
        self.errors = tempfile.TemporaryFile()
        self.size: Optional[tuple[int, int]] = None

    def add(self, frame: Image.Image) -> None:
        """Append one RGB frame; sides are even numbers, as 4:2:0 needs them.

        Raises:
            UserError: ffmpeg failed; its own words are in the message.
        """
        if self.process is None:
            self.process, self.size = self._start(frame.size), frame.size
        if frame.size != self.size:
            raise ValueError(f"a frame of {frame.size} in a film of {self.size}")
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(np.ascontiguousarray(frame.convert("RGB")).data)
        except OSError:
            self.process.wait()
            raise self._failed() from None

    def _start(self, size: tuple[int, int]) -> subprocess.Popen:
        words = f"-v error -f rawvideo -pix_fmt rgb24 -s {size[0]}x{size[1]} -r {self.fps} -i -"
        command = [self.program, *words.split(), *CODECS[self.path.suffix.lower()].split()]
        return subprocess.Popen(
            [*command, "-y", f"file:{self.path}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            start_new_session=True,  # Ctrl-C is for us: we clean up
        )

    def _failed(self) -> UserError:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return UserError(f"ffmpeg cannot write {self.path.suffix}: {lines[-1] if lines else '?'}")

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind, error, trace) -> None:
        with self.errors:
            if self.process is None:
                return
            if kind is not None:
                self.process.kill()
            assert self.process.stdin is not None
            try:
                self.process.stdin.close()
            except OSError:
                pass  # the exit status tells
            if self.process.wait() and kind is None:
                raise self._failed()


def write_film(frames: Iterable[Image.Image], path: Path, fps: int) -> Path:
    """Write a film whole or not at all.

    Args:
        frames: RGB pictures of one size with even sides; taken one at a time.
        path: .mp4, .gif or .webp.

    Raises:
        UserError: another suffix, no ffmpeg, or what ffmpeg says.
    """
    check_film_name(path, fps)
    try:
        with atomic_write(path) as temporary, Encoder(temporary, fps) as encoder:
            for frame in frames:
                encoder.add(frame)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def play_back(frames: Iterable[Image.Image], folder: Path) -> Iterator[Image.Image]:
    """The frames, then the same ones backwards without the last and the first: a loop.

    They wait for their second turn in a nameless file in `folder`, not in memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as store:
        count, size = 0, (0, 0)
        for frame in frames:
            store.write(frame.tobytes())
            count, size = count + 1, frame.size
            yield frame
        length = 3 * size[0] * size[1]
        for index in range(count - 2, 0, -1):
            store.seek(index * length)
            yield Image.frombytes("RGB", size, store.read(length))
