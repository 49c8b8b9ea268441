"""age_video.py on small real films: what comes out, and that nothing half-written does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.video.kit import (
    OneFace,
    Warmer,
    decoded,
    ffmpeg,
    film,
    frames,
    sound_of,
    times_of,
)
from work import Ager
from work.errors import run
from work.inference import photos
from work.scripts import age_video
from work.video import film as film_flow
from work.video import parts, passes, probe


class Embedding:
    """Everybody is the same person."""

    def embed(self, faces):
        return faces.mean(axis=[2, 3]) * 0


@pytest.fixture
def model(monkeypatch):
    toy = Warmer()
    monkeypatch.setattr(film_flow, "load_model", lambda options: toy)
    monkeypatch.setattr(passes, "FaceDetector", OneFace)
    monkeypatch.setattr(passes, "load_network", lambda name: Embedding())
    return toy


def age(*words: object) -> int:
    return run(lambda: age_video.main(["--smallest=20", *map(str, words)]))


def left_over(folder, *names) -> set[str]:
    return {path.name for path in folder.iterdir()} - set(names)


def test_a_film_keeps_its_sound_and_times_and_its_face_alone_changes(model, tmp_path, capsys):
    old, new = film(tmp_path / "old.mp4"), tmp_path / "new.mp4"
    assert age(old, new, "--target_age=100", "--report", tmp_path / "report.json") == 0
    assert sound_of(new) == sound_of(old) and "MD5=" in sound_of(new)
    assert times_of(new) == times_of(old) and len(times_of(new)) == 20
    before, after = decoded(old).astype(float), decoded(new).astype(float)
    change = after - before
    for number in range(20):  # the film starts and ends with the shot, so nothing fades
        assert change[number, 30:60, 25 + number : 50 + number, 0].mean() > 10
        assert np.abs(change[number, :, 130:]).mean() < 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"] == report["changed"] == 20 and report["cuts"] == []
    assert [person["from_to"] for person in report["people"]] == [[[0, 19]]]
    assert {"detection", "networks", "pasting"} <= set(report["seconds"])
    assert "person 1: about 40 years, in 20 frames" in capsys.readouterr().out
    assert left_over(tmp_path, "old.mp4", "new.mp4", "report.json") == set()


def test_a_film_without_faces_is_copied_and_it_says_so(model, tmp_path, capsys):
    old = film(tmp_path / "old.mp4", pictures=frames(8, faces=False))
    assert age(old, tmp_path / "new.mp4") == 0
    assert (tmp_path / "new.mp4").read_bytes() == old.read_bytes()
    assert "no face of 20 px or more to change; the film is copied" in capsys.readouterr().out


def test_a_part_of_a_film_without_sound(model, tmp_path):
    old, new = film(tmp_path / "old.mp4", sound=False), tmp_path / "new.mkv"
    assert age(old, new, "--start=0.2", "--seconds=0.4", "--codec=hevc", "--crf=20") == 0
    after = decoded(new).astype(float)
    assert len(after) == 10 and "hevc" in ffmpeg("-i", new)
    assert np.abs(after[0] - decoded(old)[5]).mean() < np.abs(after[0] - decoded(old)[9]).mean()


def test_people_are_shown_and_chosen_by_number(model, tmp_path, capsys):
    old = film(tmp_path / "old.mp4", sound=False)
    assert age(old, tmp_path / "people.png", "--people") == 0
    assert Image.open(tmp_path / "people.png").size[0] > 100
    assert age(old, tmp_path / "new.mp4", "--person=2=70") == 2
    assert "--person 2: people have the numbers 1 to 1" in capsys.readouterr().err
    assert age(old, tmp_path / "new.mp4", "--target_age=70,20") == 2
    assert "2 target ages for 1 person" in capsys.readouterr().err
    assert left_over(tmp_path, "old.mp4", "people.png") == set()


def test_what_is_no_film_or_only_half_of_one_is_refused_in_a_line(model, tmp_path, capsys):
    old, new = film(tmp_path / "old.mp4"), tmp_path / "new.mp4"
    half, text = tmp_path / "half.mp4", tmp_path / "text.mp4"
    half.write_bytes(old.read_bytes()[: old.stat().st_size // 2])  # the index is in front
    text.write_text("no film")
    for path, said in ((half, "is damaged or cut off after"), (text, "is no film that ffmpeg")):
        assert age(path, new) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith(f"error: {path}") and said in error
    assert age(tmp_path / "none.mp4", new) == 2
    assert age(old, tmp_path / "new.avi") == 2
    assert age(old, old) == 2
    for report in (old, new):
        assert age(old, new, "--report", report) == 2
        assert "--report" in capsys.readouterr().err
    assert age(old, new, "--seconds=inf") == 2
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    assert age(tmp_path / "photo.jpg", new) == 2
    assert "not a format of films" in capsys.readouterr().err
    (tmp_path / "photo.jpg").unlink()
    assert left_over(tmp_path, "old.mp4", "half.mp4", "text.mp4") == set()


def test_frames_over_4k_are_refused(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(probe, "MOST_PIXELS", 160 * 119)
    assert age(film(tmp_path / "old.mp4", sound=False), tmp_path / "new.mp4") == 2
    assert "frames of 160 x 120 px are too large" in capsys.readouterr().err


def test_an_age_too_young_is_refused_before_the_film_is_read(model, tmp_path, capsys, monkeypatch):
    model.youngest = 15.0
    monkeypatch.setattr(passes.Passes, "watch", None)
    old = film(tmp_path / "old.mp4", sound=False)
    for words in (["--target_age=8"], ["--person=1=8"]):
        assert age(old, tmp_path / "new.mp4", *words) == 2
        assert capsys.readouterr().err.count("target age 8: this model makes people of 15") == 1


def test_models_that_draw_whole_faces_are_refused(model, tmp_path, capsys):
    model.additive = False
    assert age(film(tmp_path / "old.mp4", sound=False), tmp_path / "new.mp4") == 2
    assert "--model direct or --method" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["see", "draw"])
def test_ctrl_c_leaves_nothing(model, tmp_path, monkeypatch, at):
    def interrupt(self, number, frame):
        if number == 9:
            raise KeyboardInterrupt
        return frame

    monkeypatch.setattr(passes.Effect, at, interrupt)
    assert age(film(tmp_path / "old.mp4"), tmp_path / "new.mp4") == 130
    assert left_over(tmp_path, "old.mp4") == set()


def interrupted_at(monkeypatch, at: int) -> None:
    """The run is told to stop when a frame is seen."""
    real = passes.Effect.see

    def see(self, number, frame):
        if number == at:
            raise KeyboardInterrupt
        real(self, number, frame)

    monkeypatch.setattr(passes.Effect, "see", see)


@pytest.mark.parametrize("at", [9, 15, 19])
def test_an_interrupted_film_goes_on_after_its_last_part_to_the_same_bytes(
    model, tmp_path, monkeypatch, capsys, at
):
    monkeypatch.setattr(parts, "LENGTH", 4)
    old, new = film(tmp_path / "old.mp4"), tmp_path / "new.mp4"
    assert age(old, tmp_path / "whole.mp4", "--target_age=100") == 0
    with monkeypatch.context() as stopped:
        interrupted_at(stopped, at)
        assert age(old, new, "--target_age=100") == 130
    kept = (at - passes.REACH) // 4 * 4
    assert f"{kept} frames are kept" in capsys.readouterr().out
    assert not new.exists()
    seen = []
    with monkeypatch.context() as counted:
        real = passes.Effect.draw
        counted.setattr(
            passes.Effect, "draw", lambda *words: [seen.append(words[1]), real(*words)][1]
        )
        report = tmp_path / "report.json"
        assert age(old, new, "--target_age=100", "--resume", "--report", report) == 0
    assert seen == list(range(kept, 20))
    assert new.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert times_of(new) == times_of(old) and sound_of(new) == sound_of(old)
    assert json.loads(report.read_text())["changed"] == 20
    assert left_over(tmp_path, "old.mp4", "new.mp4", "whole.mp4", "report.json") == set()


def test_parts_of_another_run_are_not_taken(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parts, "LENGTH", 4)
    old, new = film(tmp_path / "old.mp4"), tmp_path / "new.mp4"
    with monkeypatch.context() as stopped:
        interrupted_at(stopped, 15)
        assert age(old, new, "--target_age=100") == 130
    assert age(old, new, "--target_age=60", "--resume") == 2
    assert "made with other options or of another film" in capsys.readouterr().err
    with monkeypatch.context() as changed:  # as if the package had been updated
        changed.setattr(passes, "PACKAGE_FOLDER", tmp_path)
        (tmp_path / "reaging.pdparams").touch()
        assert age(old, new, "--target_age=100", "--resume") == 2
    (tmp_path / "reaging.pdparams").unlink()
    assert "made with other options or of another film" in capsys.readouterr().err
    index = tmp_path / ".new.mp4.parts" / "parts.json"
    index.write_text("{}")
    assert age(old, new, "--target_age=100", "--resume") == 2
    assert "is damaged" in capsys.readouterr().err
    assert age(old, new, "--target_age=60") == 0  # without it, a run begins anew
    assert left_over(tmp_path, "old.mp4", "new.mp4") == set()
    assert age(old, tmp_path / "b.mp4", "--resume") == 0
    assert "no parts of this film yet" in capsys.readouterr().out


def test_a_full_disk_is_one_line(model, tmp_path, capsys, monkeypatch):
    real = parts.FilmWriter

    def on_full_disk(path, *rest):
        writer = real(path, *rest)
        writer.command = [*writer.command[:-1], "-f", "matroska", "/dev/full"]
        return writer

    monkeypatch.setattr(parts, "FilmWriter", on_full_disk)
    assert age(film(tmp_path / "old.mp4"), tmp_path / "new.mkv") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ffmpeg cannot write the film:") and "No space left" in error
    assert left_over(tmp_path, "old.mp4") == set()


def test_ager_makes_films(model, tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "load_model", lambda options: model)
    monkeypatch.setattr(photos, "FaceDetector", OneFace)
    old = film(tmp_path / "old.mp4", sound=False)
    report = Ager(smallest=20).video(old, tmp_path / "new.mp4", "+30", crf=25)
    assert report["changed"] == 20 and (tmp_path / "new.mp4").is_file()
    assert set(model.own) == {40.0}
