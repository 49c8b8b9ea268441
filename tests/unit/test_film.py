"""Timing and interpolation of films, and their way through ffmpeg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from work.configs.film_options import FilmOptions
from work.datasets.video import find_ffmpeg, play_back, write_film
from work.errors import UserError
from work.inference.film_paths import interpolate, place_frames


def grey_frames(values, size=(32, 16)):
    for value in values:
        yield Image.new("RGB", size, (int(value), int(value), 40))


def decoded(path, size=(32, 16)) -> np.ndarray:
    """All frames of a film, [T, h, w, 3]."""
    if path.suffix != ".mp4":
        with Image.open(path) as film:
            return np.stack([_frame(film, i) for i in range(film.n_frames)])
    command = [
        find_ffmpeg(),
        "-v",
        "error",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, size[1], size[0], 3)


def _frame(film, index) -> np.ndarray:
    film.seek(index)
    return np.asarray(film.convert("RGB"))


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_films_hold_their_frames(tmp_path, suffix):
    values = np.linspace(20, 230, 15)
    path = write_film(grey_frames(values), tmp_path / f"film{suffix}", fps=10)
    frames = decoded(path).astype(float)
    assert len(frames) == 15
    assert np.abs(frames[..., 0].mean(axis=(1, 2)) - values).max() < 6
    assert np.abs(frames[..., 2] - 40).mean() < 6
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no temporary file is left


def test_a_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(decoded(write_film(grey_frames([20, 200]), Path("12:30.gif"), fps=10))) == 2


def test_mp4_is_what_browsers_play(tmp_path):
    path = write_film(grey_frames(range(10)), tmp_path / "film.mp4", fps=10)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # the index comes first
    said = subprocess.run([find_ffmpeg(), "-i", str(path)], capture_output=True, text=True).stderr
    assert "h264" in said and "yuv420p(tv, bt709" in said and "10 fps" in said


def test_frames_are_taken_one_at_a_time(tmp_path):
    """What is read ahead does not grow with the film: the encoder has each frame before the next is made."""
    alive, most = set(), 0

    class Frame(Image.Image):
        def __del__(self):
            alive.discard(id(self))

    def frames():
        nonlocal most
        for value in range(60):
            picture = Image.new("RGB", (32, 16), (value, 0, 0))
            picture.__class__ = Frame
            alive.add(id(picture))
            most = max(most, len(alive))
            yield picture

    write_film(play_back(frames(), tmp_path), tmp_path / "film.mp4", fps=30)
    assert most <= 3


def test_and_back_mirrors_and_loops(tmp_path):
    values = [int(np.asarray(f)[0, 0, 0]) for f in play_back(grey_frames([1, 5, 9, 30]), tmp_path)]
    assert values == [1, 5, 9, 30, 9, 5]
    assert list(tmp_path.iterdir()) == []


def test_a_failed_film_leaves_nothing(tmp_path):
    def broken():
        yield from grey_frames([1, 2])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_film(broken(), tmp_path / "film.mp4", fps=5)
    with pytest.raises(UserError, match="ffmpeg cannot write .mp4"):
        write_film(grey_frames([1] * 50, size=(33, 17)), tmp_path / "odd.mp4", fps=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "fps", "said"), [("a.avi", 5, ".mp4"), ("a.gif", 60, "--fps 60")])
def test_what_cannot_be_written_is_said(tmp_path, name, fps, said):
    with pytest.raises(UserError, match=said):
        write_film(grey_frames([1]), tmp_path / name, fps)


def test_without_ffmpeg_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match="pip install imageio-ffmpeg"):
        find_ffmpeg()


def test_linear_films_spend_equal_time_on_every_year():
    found = place_frames([0, 10, 40], 5, "linear")
    np.testing.assert_allclose(found, [0, 10, 20, 30, 40])
    np.testing.assert_allclose(
        place_frames([50, 20, 60], 8, "linear"), [50, 40, 30, 20, 30, 40, 50, 60]
    )


def test_easings():
    smooth, pauses = (place_frames([0, 50, 100], 101, easing) for easing in ("smooth", "pauses"))
    for track in (smooth, pauses):
        assert track[0] == 0 and track[50] == pytest.approx(50) and track[-1] == 100
        steps = np.diff(track)
        assert (steps >= -1e-9).all() and steps[0] < 0.1 and steps[-1] < 0.1
    assert np.diff(smooth)[50] > 1.2  # fastest in the middle
    assert np.diff(pauses)[50] < 0.1 < 1.2 < np.diff(pauses)[25]


def test_codes_between_stations():
    codes = paddle.to_tensor(
        np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 2, 4), "f4")
    )
    found = interpolate(codes, [30.0, 10.0, 20.0], np.array([10, 12.5, 20, 29, 30, 99]))
    np.testing.assert_allclose(found[:, 0, 0].numpy(), [1, 1.25, 2, 0.2, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_age": "50"}, "two ages"),
        ({"target_age": "50,50"}, "two ages"),
        ({"fps": 0}, "--fps"),
        ({"seconds": 0.01}, "--seconds"),
        ({"film_size": 255}, "--film_size 255"),
        ({"batch_size": 0}, "--batch_size"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(UserError, match=said):
        FilmOptions(**options)
