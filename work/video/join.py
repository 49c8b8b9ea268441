"""From encoded pictures to a film: ffmpeg joins the parts and adds the sound and the subtitles of the old film."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from work.datasets.video import find_ffmpeg
from work.video.probe import LOCAL, TEXTS, FilmInfo, Source, input_words
from work.video.writer import cannot_write

CONTAINERS = (".mp4", ".mov", ".mkv")
TRIED = 0.2  # seconds of sound with which a container is tried out


def join(listing: Path, out: Path, source: Source, first: int) -> None:
    """Write OUT from parts, none of which is encoded again, and the source's sound, bit for bit.

    Text subtitles come along too (in .mp4 and .mov as mov_text), pictures of text into .mkv alone.

    Args:
        listing: the parts, as ffmpeg's concat demuxer reads them.
        first: the time of the first frame in the source's ticks.

    Raises:
        UserError: ffmpeg failed, e.g. the disk is full.
    """
    shift = ["-itsoffset", f"{first / source.info.ticks:.9f}"]
    pictures = [*shift, *LOCAL, "-f", "concat", "-i", f"file:{listing}"]
    words = [*pictures, *input_words(source.path, source.start, source.seconds)]
    words += [*_streams(out, source.info), "-c:v", "copy", "-map_metadata", "1"]
    if source.start:  # else sound from the key frame before it would come along
        words += ["-copypriorss:a", "0"]
    if out.suffix.lower() != ".mkv":
        words += ["-video_track_timescale", str(source.info.ticks), "-movflags", "+faststart"]
    _run(words, out)


def try_container(out: Path, source: Source) -> None:
    """Whether OUT takes the source's sound and subtitles, before hours are spent on its pictures.

    Raises:
        UserError: it does not.
    """
    words = ["-f", "lavfi", "-i", f"color=black:size=64x64:duration={TRIED}"]
    words += input_words(source.path, source.start, TRIED)
    with tempfile.TemporaryDirectory() as folder:
        _run([*words, *_streams(out, source.info)], Path(folder) / f"tried{out.suffix}")


def _run(words: list[str], out: Path) -> None:
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error"]
    command += ["-y", *words, f"file:{out}"]
    run = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        start_new_session=True,  # Ctrl-C is for us, and then `run` ends it
    )
    if run.returncode:
        raise cannot_write(run.stderr)


def _streams(out: Path, info: FilmInfo) -> list[str]:
    """Words that take the pictures of input 0, and the sound and the subtitles of input 1 that fit OUT."""
    words = ["-map", "0:v", "-map", "1:a?", "-c:a", "copy"]
    if out.suffix.lower() == ".mkv":
        return [*words, "-map", "1:s?", "-c:s", "copy"]
    kept = [number for number, codec in enumerate(info.subtitles) if codec in TEXTS]
    for at, number in enumerate(kept):
        same = info.subtitles[number] == "mov_text"
        words += ["-map", f"1:s:{number}", f"-c:s:{at}", "copy" if same else "mov_text"]
    return words
