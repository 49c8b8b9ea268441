"""What a film is like, by what ffmpeg prints about it: size, pixel aspect, colours, frame rate, length."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from work.datasets.video import find_ffmpeg
from work.errors import UserError
from work.files import open_regular

MOST_PIXELS = 4096 * 2304  # of a frame: 4K in both its shapes
# Only local files are read, and only film formats that cannot refer to other files: no playlists.
LOCAL = ("-protocol_whitelist", "file,pipe")
FORMATS = "mov matroska webm avi mpegts mpeg flv asf ogg gif yuv4mpegpipe mpegvideo m4v h264 hevc dv mxf nut ivf"
TAGS = ("color_range", "color_space", "color_primaries", "color_trc")
UNCONVERTED = ("ycgco", "ycgco-re", "ycgco-ro", "ictcp", "ipt-c2")
TEXTS = ("subrip", "ass", "ssa", "webvtt", "mov_text", "text")  # subtitles that are text


@dataclass(frozen=True)
class FilmInfo:
    """A film as it is shown: turned upright by its rotation flag.

    Attributes:
        width, height: pixels of a frame.
        aspect: of a pixel, as "1/1".
        fps: frames per second, on average.
        seconds: of the whole file.
        ticks: the film's times are whole numbers of 1 / ticks seconds,
        step: and multiples of this many ticks: 1001 where 24000 / 1001 frames are shown per second.
        colours: those of TAGS that the film has, e.g. color_space=bt709.
        subtitles: the codec of each subtitle track.
    """

    width: int
    height: int
    aspect: str
    fps: float
    seconds: float
    ticks: int
    colours: dict[str, str] = field(default_factory=dict)
    subtitles: tuple[str, ...] = ()
    step: int = 1


@dataclass(frozen=True)
class Source:
    """A film, or the part of it that is aged: `seconds` of it from `start` on, 0 being all the rest."""

    path: Path
    info: FilmInfo
    start: float = 0.0
    seconds: float = 0.0


def input_words(path: Path, start: float = 0.0, seconds: float = 0.0) -> list[str]:
    """ffmpeg's words to open a file, or `seconds` of it from `start` on (0: all the rest)."""
    part = ["-ss", str(start)] if start else []
    part += ["-t", str(seconds)] if seconds else []
    formats = ["-format_whitelist", FORMATS.replace(" ", ",")]
    # In some formats ffmpeg begins to count at the first stream that is used: let it be the same one each time.
    return [*LOCAL, *formats, "-discard", "none", *part, "-i", f"file:{path}"]


def probe(path: Path, start: float = 0.0) -> FilmInfo:
    """Decode one frame and read what ffmpeg says.

    Args:
        start: seconds at which the frame lies.

    Raises:
        UserError: no such file, not a video, nothing at `start`, or larger than 4K.
    """
    try:
        open_regular(path).close()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    words = ["-hide_banner", "-nostdin", "-loglevel", "level+info", *input_words(path, start)]
    words += "-map 0:v:0 -frames:v 1 -vf showinfo=checksum=0 -f null -".split()
    run = subprocess.run([find_ffmpeg(), *words], capture_output=True, check=False)
    text = run.stderr.decode(errors="replace")
    frame = re.search(r" sar:(\d+/\d+) s:(\d+)x(\d+) ", text)
    if frame is None:
        if start and run.returncode == 0:
            raise UserError(f"--start {start:g}: {path} ends before that")
        reason = last_error(text)
        if "not on whitelist" in reason:
            reason = "not a format of films (mp4, mov, mkv, webm, avi, ...)"
        raise UserError(f"{path}: is no film that ffmpeg can read: {reason}")
    return _checked(path, text, frame)


def _checked(path: Path, text: str, frame: re.Match) -> FilmInfo:
    aspect, width, height = frame[1], int(frame[2]), int(frame[3])
    if width * height > MOST_PIXELS:
        raise UserError(
            f"{path}: frames of {width} x {height} px are too large; up to 4K (4096 x 2304) is taken"
        )
    ticks = re.search(r"config in time_base: (\d+)/(\d+)", text)
    rate = re.search(r"Stream #.*Video:.*?([\d.]+)(k?) fps", text)
    fps = float(rate[1]) * (1000 if rate[2] else 1) if rate else 25.0
    return FilmInfo(
        width,
        height,
        aspect if aspect != "0/1" else "1/1",
        fps or 25.0,
        _duration(text),
        int(ticks[2]) if ticks else 90000,
        _colours(path, text),
        tuple(re.findall(r"Stream #0.*Subtitle: (\w+)", text)),
        int(ticks[1]) if ticks else 1,
    )


def _duration(text: str) -> float:
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


def _colours(path: Path, text: str) -> dict[str, str]:
    """The tags of the decoded frame, without unknown ones; those of HD television for a film in RGB."""
    line = re.search(r"color_range:.*", text)
    found = dict(re.findall(r"(\w+):(\S+)", line[0])) if line else {}
    if found.get("color_space") in UNCONVERTED:
        raise UserError(f"{path}: ffmpeg cannot convert colours in {found['color_space']}")
    if found.get("color_space") == "gbr":
        found.update(color_space="bt709", color_range="tv")
    unsaid = ("unknown", "unspecified", "reserved")
    return {tag: found[tag] for tag in TAGS if found.get(tag, "unknown") not in unsaid}


def last_error(text: str) -> str:
    """The most telling line of ffmpeg's errors, without the part of ffmpeg that says it."""
    lines = re.findall(r"\[(?:error|fatal)\] (.+)", text)
    telling = [line for line in lines if not line.startswith("Error opening input")]
    return (telling or lines or ["no frame in it"])[0].strip()
