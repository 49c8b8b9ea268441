"""Writing the pictures of a film: frames with their times go to ffmpeg."""

from __future__ import annotations

import queue
import struct
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Optional

import numpy as np

from work.datasets.video import find_ffmpeg
from work.errors import UserError
from work.video.probe import FilmInfo, last_error

WAITING = 8  # frames that wait for the encoder
CODECS = {"h264": "libx264", "hevc": "libx265 -tag:v hvc1 -x265-params log-level=error"}
# The names that ffmpeg's scaler has for the matrices that films have; others are left to its default.
MATRICES = {
    "bt709": "bt709",
    "smpte170m": "smpte170m",
    "bt470bg": "bt470",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "fcc": "fcc",
}


class FilmWriter:
    """An ffmpeg process that takes frames and their times; a context manager. A thread carries them over.

    Colours go back by the matrix and the range that they came by, with the film's tags. An odd size gets one more row
    or column, since 4:2:0 needs even sides.

    Args:
        path: an .mp4 file.
        info: what the film is like.
        first: the time of the first frame in ticks of `info`; the file starts with it.
        codec: one of CODECS.
        crf: the quality, 0 to 51; less is better and larger.

    Raises:
        UserError: (at any frame, or at the end) ffmpeg failed, e.g. the disk is full.
    """

    def __init__(self, path: Path, info: FilmInfo, first: int, codec: str = "h264", crf: int = 18):
        self.info, self.first = info, first
        self.width, self.height = info.width + info.width % 2, info.height + info.height % 2
        words = ["-hide_banner", "-nostats", "-loglevel", "level+error", "-y"]
        words += ["-f", "matroska", "-i", "pipe:0", "-vf", _to_film_colours(info)]
        words += ["-c:v", *CODECS[codec].split(), "-crf", str(crf)]
        words += ["-fps_mode", "passthrough", "-enc_time_base", f"1:{info.ticks}"]
        words += ["-video_track_timescale", str(info.ticks)]
        self.command = [find_ffmpeg(), *words, f"file:{path}"]
        self.waiting: queue.Queue[Optional[bytes]] = queue.Queue(WAITING)
        self.broken = threading.Event()
        self.errors = tempfile.TemporaryFile()

    def __enter__(self) -> FilmWriter:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            start_new_session=True,  # Ctrl-C is for us: we clean up
        )
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()
        self._put(_header(self.width, self.height, self.info.fps))
        return self

    def add(self, time: int, frame: np.ndarray) -> None:
        """Append a frame [height, width, 3] uint8 that is shown from `time` on."""
        lacks = [(0, self.height - frame.shape[0]), (0, self.width - frame.shape[1]), (0, 0)]
        if any(right for _, right in lacks):
            frame = np.pad(frame, lacks, "edge")
        micro = round((time - self.first) * 1_000_000 / self.info.ticks)
        self._put(_cluster(micro, frame.tobytes()))

    def _put(self, data: Optional[bytes]) -> None:
        while not self.broken.is_set():
            try:
                return self.waiting.put(data, timeout=0.2)
            except queue.Full:
                continue
        if data is not None:
            self.process.wait()
            raise self._failed()

    def _carry(self) -> None:
        """Thread: carry frames from the queue into the pipe."""
        pipe = self.process.stdin
        assert pipe is not None
        try:
            for data in iter(self.waiting.get, None):
                pipe.write(data)
        except OSError:
            pass  # a closed pipe, which is not a BrokenPipeError on Windows; the exit status tells
        finally:
            with suppress(OSError):
                pipe.close()
            self.broken.set()

    def _failed(self) -> UserError:
        self.errors.seek(0)
        return cannot_write(self.errors.read())

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self.errors:
            if kind is not None:
                self.broken.set()
                self.process.kill()
                while not self.waiting.empty():
                    self.waiting.get_nowait()
                self.waiting.put(None)
            else:
                self._put(None)
            self.thread.join()
            if self.process.wait() and kind is None:
                raise self._failed()


def cannot_write(said: bytes) -> UserError:
    """The error for what ffmpeg complains about."""
    reason = last_error(said.decode(errors="replace"))
    hint = "; name OUT .mkv, which takes any sound" if "codec" in reason else ""
    return UserError(f"ffmpeg cannot write the film: {reason}{hint}")


def _to_film_colours(info: FilmInfo) -> str:
    """The filters from RGB to the film's YUV, with the film's tags and pixel aspect."""
    tags = info.colours
    wide = "pc" if tags.get("color_range") in ("pc", "full") else "tv"
    chain = f"scale=flags=bicubic+accurate_rnd+full_chroma_int:out_range={wide}"
    matrix = MATRICES.get(tags.get("color_space", ""))
    chain += f":out_color_matrix={matrix}" if matrix else ""
    names = {"color_space": "colorspace"}  # setparams says it so
    said = [f"{names.get(tag, tag)}={value}" for tag, value in tags.items() if tag != "color_range"]
    return f"{chain},format=yuv420p,setparams={':'.join([f'range={wide}', *said])},setsar={info.aspect}"


# Raw frames have no times of their own, so they travel as Matroska (RFC 9559), in its simplest form: one track of
# uncompressed RGB, a cluster per frame, times in microseconds.


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def _number(value: int) -> bytes:
    return struct.pack(">Q", value)


def _header(width: int, height: int, fps: float) -> bytes:
    """What comes before the clusters; the segment's length is not known.

    `fps` says how long the last frame is shown, and how fast a decoder has to be.
    """
    video = _element("b0", _number(width)) + _element("ba", _number(height))
    video += _element("2eb524", b"RGB\x18")
    track = _element("d7", _number(1)) + _element("73c5", _number(1)) + _element("83", _number(1))
    track += _element("23e383", _number(round(1e9 / fps)))  # nanoseconds of a frame
    track += _element("86", b"V_UNCOMPRESSED") + _element("e0", video)
    scale = _element("1549a966", _element("2ad7b1", _number(1000)))
    segment = bytes.fromhex("18538067 01ffffffffffffff")
    opening = _element("1a45dfa3", _element("4282", b"matroska"))
    return opening + segment + scale + _element("1654ae6b", _element("ae", track))


def _cluster(micro: int, data: bytes) -> bytes:
    block = b"\x81" + struct.pack(">h", 0) + b"\x80" + data  # track 1, no offset, a key frame
    return _element("1f43b675", _element("e7", _number(micro)) + _element("a3", block))
