"""Frames in and out: times, sizes, rotation, pixel aspect, colours, subtitles."""

from __future__ import annotations

import numpy as np
import pytest

from tests.video.kit import ffmpeg, film, frames, through, times_of
from work.errors import UserError
from work.video import parts
from work.video.probe import probe
from work.video.reader import FilmReader

SUBTITLES = "1\n00:00:00,100 --> 00:00:00,500\nHello\n"


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(parts, "LENGTH", 7)


def video_line(path) -> str:
    return next(line for line in ffmpeg("-i", path).splitlines() if "Video:" in line)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_frame_rate_stays(tmp_path, suffix):
    steady, old = film(tmp_path / "steady.mp4", sound=False), tmp_path / "old.mp4"
    uneven = "setpts='(N+gt(N\\,6)*5+gt(N\\,12)*9)/25/TB'"
    ffmpeg("-i", steady, "-vf", uneven, "-fps_mode", "vfr", "-enc_time_base", "1:25", old)
    new = tmp_path / f"new{suffix}"
    assert len(through(old, new)) == 20
    gaps = [np.diff([float(time) for time in times_of(path)]) for path in (old, new)]
    assert np.ptp(gaps[0]) > 0.3 and np.allclose(*gaps, atol=0.0015)  # Matroska counts in 1/1000


def test_an_odd_size_gets_a_row_and_a_column_more(tmp_path):
    old = tmp_path / "old.mkv"
    small = film(tmp_path / "a.mp4", sound=False)
    ffmpeg("-i", small, "-vf", "crop=159:119:exact=1", "-pix_fmt", "yuv444p", old)
    assert through(old, tmp_path / "new.mp4")[0].shape == (119, 159, 3)
    assert "160x120" in video_line(tmp_path / "new.mp4")


def test_a_turned_film_is_written_upright(tmp_path):
    flat, old = film(tmp_path / "flat.mp4", sound=False), tmp_path / "old.mp4"
    ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", old)
    assert through(old, tmp_path / "new.mp4")[0].shape == (160, 120, 3)
    assert "120x160" in video_line(tmp_path / "new.mp4")
    assert "rotation" not in ffmpeg("-i", tmp_path / "new.mp4")


def test_pixel_aspect_and_colour_tags_stay(tmp_path):
    old = tmp_path / "old.mp4"
    tags = "setsar=4/3,scale=out_color_matrix=smpte170m:out_range=pc,format=yuv420p10le"
    tags += ",setparams=range=pc:colorspace=smpte170m:color_primaries=smpte170m:color_trc=bt709"
    ffmpeg("-i", film(tmp_path / "a.mp4", sound=False), "-vf", tags, "-crf", "5", old)
    assert "yuv420p10le(pc" in video_line(old)
    seen = through(old, tmp_path / "new.mp4")
    line = video_line(tmp_path / "new.mp4")
    for tag in ("420p(pc", "smpte170m", "SAR 4:3"):
        assert tag in line
    again = through(tmp_path / "new.mp4", tmp_path / "third.mp4")
    first, second = (np.stack(part).astype(float) for part in (seen, again))
    assert abs((second - first).mean()) < 0.7  # read by another matrix or range: 5 and more
    assert np.abs(second - first).mean() < 4


@pytest.mark.parametrize("suffix, codec", [(".mp4", "mov_text"), (".mkv", "subrip")])
def test_subtitles_come_along(tmp_path, suffix, codec):
    (tmp_path / "words.srt").write_text(SUBTITLES)
    old, new = tmp_path / "old.mkv", tmp_path / f"new{suffix}"
    words = ("-i", film(tmp_path / "a.mp4"), "-i", tmp_path / "words.srt", "-c", "copy")
    ffmpeg(*words, "-c:s", "srt", old)
    through(old, new)
    said = ffmpeg("-i", new)
    assert f"Subtitle: {codec}" in said and "Audio: aac" in said
    assert "Hello" in ffmpeg("-v", "error", "-i", new, "-map", "0:s", "-f", "srt", "-")


def test_a_film_that_changes_its_size_keeps_the_first(tmp_path):
    film(tmp_path / "a.mp4", sound=False)
    film(tmp_path / "b.mp4", sound=False, pictures=frames(size=(200, 152)))
    for name in "ab":
        ffmpeg("-i", tmp_path / f"{name}.mp4", "-c", "copy", tmp_path / f"{name}.ts")
    (tmp_path / "both.txt").write_text("file a.ts\nfile b.ts\n")
    old = tmp_path / "both.ts"
    ffmpeg("-f", "concat", "-i", tmp_path / "both.txt", "-c", "copy", old)
    seen = through(old, tmp_path / "new.mp4")
    assert len(seen) == 40 and seen[39].shape == (120, 160, 3)
    assert seen[39][:, :10].mean() < 60 and seen[39][40:50, 40:55].mean() > 100  # rows are rows


def test_sound_that_does_not_fit_the_container_is_named(tmp_path):
    old = tmp_path / "old.mkv"
    ffmpeg("-i", film(tmp_path / "a.mp4"), "-c:v", "copy", "-c:a", "wmav2", old)
    with pytest.raises(UserError, match="cannot write the film.*name OUT .mkv"):
        through(old, tmp_path / "new.mp4")
    assert len(through(old, tmp_path / "new.mkv")) == 20


def test_a_playlist_leads_nowhere(tmp_path):
    inner = film(tmp_path / "a.mp4", sound=False)
    ffmpeg("-i", inner, "-c", "copy", tmp_path / "a.ts")
    for place in ("http://127.0.0.1:9/a.ts", "a.ts", (tmp_path / "a.ts").as_uri()):
        playlist = f"#EXTM3U\n#EXTINF:1,\n{place}\n#EXT-X-ENDLIST\n"
        for name, text in (
            ("list.m3u8", playlist),
            ("list.mp4", f"ffconcat version 1.0\nfile {place}\n"),
        ):
            (tmp_path / name).write_text(text)
            with pytest.raises(UserError, match="is no film"):
                probe(tmp_path / name)
    assert probe(inner).width == 160
    with pytest.raises(UserError, match="--start 7: .* ends before that"):
        probe(inner, 7.0)


def test_a_film_may_be_left_in_the_middle(tmp_path):
    old = film(tmp_path / "old.mp4", sound=False, pictures=frames(25))
    with FilmReader(old, probe(old)) as reader:
        time, frame = next(iter(reader))
        assert frame.shape == (120, 160, 3) and time == 0
    assert reader.process.poll() is not None
    assert not any(thread.is_alive() for thread in reader.threads)
