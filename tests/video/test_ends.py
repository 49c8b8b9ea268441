"""The ends of a film and of its parts: no frame is lost, and nothing comes along from before a cut."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from tests.video.kit import decoded, ffmpeg, frames, through, times_of
from work.video import parts
from work.video.probe import probe
from work.video.writer import FilmWriter


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("count", [1, 2, 8, 9])
def test_no_frame_is_lost(tmp_path, monkeypatch, suffix, count):
    monkeypatch.setattr(parts, "LENGTH", 7)  # so the last part has one frame, or two
    source = film_of(tmp_path / "old.mkv", count)
    through(source, tmp_path / f"new{suffix}")
    assert len(decoded(tmp_path / f"new{suffix}")) == count
    assert times_of(tmp_path / f"new{suffix}") == times_of(source)


def test_large_frames_are_whole_and_for_ordinary_decoders(tmp_path):
    """ffmpeg probes fewer bytes than one such frame has; what it does not know it declares to be very fast."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:r=30:s=1920x1080", tmp_path / "old.mp4")
    info = probe(tmp_path / "old.mp4")
    with FilmWriter(tmp_path / "new.mp4", info, 0) as writer:
        for number in range(4):
            writer.add(number * info.ticks // 30, np.zeros((1080, 1920, 3), np.uint8))
    said = ffmpeg(
        "-i", tmp_path / "new.mp4", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"
    )
    assert set(re.findall(r"level_idc .* = (\d+)", said)) == {"40"}
    assert len(times_of(tmp_path / "new.mp4")) == 4


def film_of(path, count):
    """A film of some frames at 25 frames per second."""
    for number, picture in enumerate(frames(count)):
        picture.save(path.parent / f"frame{number:02d}.png")
    pattern = path.parent / "frame%02d.png"
    ffmpeg("-framerate", 25, "-i", pattern, "-pix_fmt", "yuv420p", path)
    return path


def test_the_rate_of_ntsc_is_exact_in_avi(tmp_path):
    rate = "24000/1001"
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc=d=5:r={rate}:s=64x64", "-c:v", "mjpeg", tmp_path / "old.avi"
    )
    through(tmp_path / "old.avi", tmp_path / "new.mp4")
    last = [float(times_of(tmp_path / name)[-1]) for name in ("old.avi", "new.mp4")]
    assert last[0] == pytest.approx(last[1], abs=1e-3)


@pytest.mark.parametrize("late", ["picture", "sound"])
def test_sound_and_picture_that_begin_apart_stay_apart(tmp_path, late):
    """In a transport stream ffmpeg counts from the first stream that is used."""
    shift = ["-itsoffset", "0.5"]
    picture = [*(shift if late == "picture" else []), "-f", "lavfi", "-i", "testsrc=d=2:s=64x64"]
    sound = [*(shift if late == "sound" else []), "-f", "lavfi", "-i", "sine=440:d=2"]
    source = tmp_path / "old.ts"
    ffmpeg(*picture, *sound, "-c:v", "libx264", "-bf", 0, "-c:a", "mp2", source)
    through(source, tmp_path / "new.mkv")
    assert lag(tmp_path / "new.mkv") == pytest.approx(lag(source), abs=0.03)


def lag(path) -> float:
    """The time of the first frame less that of the first sound, in seconds."""
    words = "-map 0:v -map 0:a -c copy -f framecrc -".split()
    said = ffmpeg("-v", "error", "-copyts", "-discard", "none", "-i", path, *words)
    picture, sound = (
        int(re.search(rf"(?m)^{stream}, +-?\d+, +(-?\d+),", said)[1])
        * Fraction(re.search(rf"#tb {stream}: (\S+)", said)[1])
        for stream in (0, 1)
    )
    return float(picture - sound)


def test_sound_from_before_the_cut_is_left_out(tmp_path):
    pictures, sound = "testsrc=d=6:s=64x64", "sine=440:d=6"
    source = tmp_path / "old.mp4"
    ffmpeg("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", sound, "-g", 1000, source)
    through(source, tmp_path / "new.mkv", start=3.3, seconds=2)
    said = ffmpeg("-i", tmp_path / "new.mkv", "-f", "null", "-")
    length = re.search(r"Duration: 00:00:([\d.]+)", said)
    assert length and float(length[1]) < 2.3


def test_rgb_becomes_the_colours_of_television(tmp_path):
    source = tmp_path / "old.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "color=0x30a060:d=0.2:s=64x64", "-c:v", "libx264rgb", "-qp", 0, source
    )
    through(source, tmp_path / "new.mp4")
    tags = probe(tmp_path / "new.mp4").colours
    assert (tags["color_space"], tags["color_range"]) == ("bt709", "tv")
    old, new = (decoded(path, (64, 64)).astype(int) for path in (source, tmp_path / "new.mp4"))
    assert np.abs(old - new).mean() < 2
