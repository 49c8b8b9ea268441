"""age_photo.py as a user calls it, over a toy model: names of results, what is skipped, what is said."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from PIL import Image

from tests.unit.toy_ager import Brightener, TwoFaces
from work.errors import run
from work.inference import photos as photo_flow
from work.scripts import age_photo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_flow, "load_model", lambda options: Brightener())
    monkeypatch.setattr(photo_flow, "FaceDetector", TwoFaces)
    for name in ("me.png", "holiday/a.png", "holiday/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (140, 100), (60, 60, 60)).save(tmp_path / name)
    return tmp_path


def age(*words) -> int:
    return run(lambda: age_photo.main([str(word) for word in words]))


def test_without_out_the_result_lies_beside_the_photo_and_overwrites_nothing(folder, capsys):
    assert age(folder / "me.png", "--target_age", "70") == 0
    assert f"1 image done, results in {folder / 'me_70.png'}" in capsys.readouterr().out
    before = (folder / "me_70.png").read_bytes()
    (folder / "me_70.png").write_bytes(b"precious")
    assert age(folder / "me.png", "--target_age", "70") == 0
    assert (folder / "me_70.png").read_bytes() == b"precious"
    assert (folder / "me_70_2.png").read_bytes() == before


def test_what_is_written_under_another_name_overwrites_nothing_either(folder, capsys):
    """HEIC and GIF become PNG; several ages have a name each."""
    Image.open(folder / "me.png").save(folder / "you.gif")
    for ages, names in (("70", ["you_70.png"]), ("20,70", ["you_aged_20.png", "you_aged_70.png"])):
        for name in names:
            (folder / name).write_bytes(b"precious")
        assert age(folder / "you.gif", "--target_age", ages) == 0
        assert all((folder / name).read_bytes() == b"precious" for name in names)
    assert (folder / "you_70_2.png").is_file() and (folder / "you_aged_2_20.png").is_file()


@pytest.mark.parametrize("words", [("me.png", "me.png"), ("holiday", "holiday"), (".", ".")])
def test_photos_are_not_replaced(folder, capsys, monkeypatch, words):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert age(*words, "--target_age", "70") == 2
    assert "would be replaced; choose another OUT" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.rglob("*.png")}


def test_the_current_folder_and_one_with_a_dot_in_its_name(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder / "holiday")
    assert age(".", "--target_age", "70") == 0
    assert sorted(p.name for p in (folder / "holiday_70").iterdir()) == ["a.png", "b.png"]
    (folder / "out.v2").mkdir()
    assert age("a.png", folder / "out.v2", "--target_age", "70") == 0
    assert (folder / "out.v2" / "a.png").is_file()


def test_a_folder_without_out_gets_a_folder_beside_it(folder, capsys):
    assert age(folder / "holiday", "--target_age=+20") == 0
    assert sorted(p.name for p in (folder / "holiday_+20").iterdir()) == ["a.png", "b.png"]
    assert f"2 images done, results in {folder / 'holiday_+20'}" in capsys.readouterr().out


def test_what_is_said_exists(folder, capsys):
    """With several ages, and with a suffix that is not written, the names differ from what was typed."""
    assert age(folder / "me.png", folder / "out.heic", "--target_age", "20") == 0
    assert f"results in {folder / 'out.png'}" in capsys.readouterr().out
    assert age(folder / "me.png", folder / "new" / "x.png", "--target_age", "20,70") == 0
    assert f"results in {folder / 'new'}" in capsys.readouterr().out
    assert sorted(p.name for p in (folder / "new").iterdir()) == ["x_20.png", "x_70.png"]


def test_what_is_there_is_skipped_on_request(folder, capsys):
    words = (folder / "holiday", folder / "older", "--target_age", "90", "--skip_existing")
    (folder / "older").mkdir()
    (folder / "older" / "a.png").write_bytes(b"precious")
    assert age(*words) == 0
    out = capsys.readouterr().out
    assert "1 skipped" in out and f"1 image done, results in {folder / 'older' / 'b.png'}" in out
    assert (folder / "older" / "a.png").read_bytes() == b"precious"
    assert age(*words) == 0
    assert "2 skipped" in capsys.readouterr().out


def test_one_age_for_each_face(folder, capsys):
    assert age(folder / "me.png", folder / "two.png", "--target_age", "100,+10", "--per_face") == 0
    pixels = np.asarray(Image.open(folder / "two.png"))
    assert pixels[:, :55].max() == 255 and pixels[:, 90:].max() < 200
    assert age(folder / "me.png", folder / "no.png", "--target_age", "1,2,3", "--per_face") == 2
    assert "3 target ages for 2 faces" in capsys.readouterr().err
    assert not (folder / "no.png").exists()


def test_a_folder_inside_the_folder_is_continued(folder, capsys):
    words = (folder / "holiday", folder / "holiday" / "older", "--target_age", "70")
    assert age(*words) == 0
    assert age(*words, "--skip_existing") == 0
    assert "2 skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (["holiday", "folder.jpg"], "is a folder: OUT is a folder"),
        (["me.png", "taken.heic"], "taken.png is there already"),
        (["", "out.png"], "a file name is empty"),
        (["me.png", "out.png", "--seed", "-1"], "--seed lies between"),
    ],
)
def test_names_and_numbers_that_cannot_be_meant(folder, capsys, monkeypatch, words, said):
    monkeypatch.chdir(folder)
    (folder / "taken.png").write_bytes(b"precious")
    before = sorted(folder.rglob("*"))
    try:
        assert age(*words) == 2
    except SystemExit as stopped:
        assert stopped.code == 2
    assert said in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
    assert (folder / "taken.png").read_bytes() == b"precious"


def test_an_age_that_the_model_refuses_ends_that_photo_alone(folder, capsys, monkeypatch):
    """Here the second photo's person is 20, so that -15 years are too few."""
    own = {60: 40.0, 90: 20.0}

    def transform(self, encoded, target_ages, resize=False):
        self.require_age(float(target_ages))
        return paddle.concat(encoded)

    def ages(self, encoded):
        return [own[round(float((face.mean() + 1) * 127.5))] for face in encoded]

    for name, value in (("youngest", 15.0), ("transform", transform), ("ages", ages)):
        monkeypatch.setattr(Brightener, name, value)
    for name, level in (("b", 90), ("c", 60)):
        Image.new("RGB", (140, 100), (level,) * 3).save(folder / "holiday" / f"{name}.png")
    assert age(folder / "holiday", folder / "out", "--target_age=-15") == 1
    said = capsys.readouterr()
    assert "b.png: target age 5: this model makes people of 15 and older" in said.err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "c.png"]


def test_faces_without_a_target_age_are_named(folder, capsys):
    assert age(folder / "me.png", folder / "one.png", "--target_age", "90", "--per_face") == 0
    said = capsys.readouterr()
    assert "1 without a target age" in said.out + said.err


def test_the_quality_of_jpeg(folder, capsys):
    Image.effect_noise((140, 100), 60).convert("RGB").save(folder / "noise.png")
    for quality in (20, 95):
        words = ["--target_age=70", f"--jpeg_quality={quality}"]
        assert age(folder / "noise.png", folder / f"{quality}.jpg", *words) == 0
    assert 2 * (folder / "20.jpg").stat().st_size < (folder / "95.jpg").stat().st_size
