"""compare_methods.py: the numbers of its table are known, every picture is judged, bad flags are one line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cyclegan.test_baselines import save
from work.errors import run
from work.metrics.compare import Row, fill_ages
from work.scripts.compare_methods import CompareOptions, main

PHOTO = Path(__file__).parents[1] / "data" / "03.jpg"


def test_age_numbers_of_one_target():
    row = Row("x", "50")
    fill_ages(row, {"a": 45, "b": 56, "c": 40}, {"a": 30, "b": 47, "c": 60})
    assert row.age == 47 and row.bias == -3
    assert row.error == pytest.approx((5 + 6 + 10) / 3)
    assert row.right_way == 1.0  # b was 3 years from its target: it has no way to go
    fill_ages(row, {"a": 29}, {"a": 30})
    assert row.right_way == 0.0
    fill_ages(row, {"b": 60}, {"b": 47})
    empty = Row("x", "50")
    fill_ages(empty, {}, {})
    assert math.isnan(empty.age)


def compare(*flags) -> int:
    return run(lambda: main([*map(str, flags), "--device=cpu"]))


def test_each_name_is_its_model():
    options = CompareOptions(
        data_path="x",
        methods="sam,embedded,direct,auto,f-gan",
        checkpoint_path="sam",
        baselines_path="gans",
    )
    chosen = {name: options.choice(name) for name in options.method_names()}
    assert [(c.model, c.method, c.checkpoint_path) for c in chosen.values()] == [
        ("auto", None, "sam"),
        ("embedded", None, None),
        ("direct", None, None),
        ("auto", None, None),
        ("auto", "f-gan", "gans"),
    ]


def test_methods_and_other_peoples_results_are_one_table(tmp_path, capsys):
    save(tmp_path / "g.pdparams", ["fa"], bias=0.0)
    (tmp_path / "photos").mkdir()
    Image.open(PHOTO).save(tmp_path / "photos" / "a.png")
    out, theirs = tmp_path / "out", tmp_path / "theirs" / "60"
    flags = [
        f"--data_path={tmp_path / 'photos'}",
        f"--exp_dir={out}",
        "--target_age=60",
        "--num_threads=1",
    ]
    flags += [f"--baselines_path={tmp_path / 'g.pdparams'}", "--methods=fa-gan", "--age_net=age_v1"]
    assert compare(*flags, f"--results=theirs:{theirs.parent}") == 2
    assert "holds no AGE/NAME such as 60/a.png" in capsys.readouterr().err
    theirs.mkdir(parents=True)
    picture = Image.open(out / "pictures" / "input" / "a.png")
    Image.fromarray(np.asarray(picture)[:, ::-1]).save(theirs / "a.jpg")
    assert compare(*flags, f"--results=theirs:{theirs.parent}") == 0
    with open(out / "comparison.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"fa-gan", "theirs"}
    # Networks that change nothing leave the photo as it is: the same person, no distance, no way gone
    assert float(rows["fa-gan"]["identity"]) < 0.02 and float(rows["fa-gan"]["LPIPS"]) < 0.02
    assert float(rows["theirs"]["LPIPS"]) > 0.05
    assert float(rows["fa-gan"]["s"]) > 0 and rows["theirs"]["s"] == "-"
    assert Image.open(out / "comparison.jpg").width > 2 * 192
    # The pictures of this run stay, and do not count among those of other photos.
    (tmp_path / "photos" / "a.png").rename(tmp_path / "photos" / "b.png")
    assert compare(*flags) == 0
    with open(out / "comparison.csv", newline="") as file:
        assert [row["faces"] for row in csv.DictReader(file)] == ["1"]


def test_a_face_that_a_method_refuses_is_named(tmp_path, capsys):
    save(tmp_path / "g.pdparams", ["20-40_40-60"])
    (tmp_path / "photos").mkdir()
    Image.open(PHOTO).save(tmp_path / "photos" / "a.png")
    flags = [f"--data_path={tmp_path / 'photos'}", f"--exp_dir={tmp_path}", "--methods=group-gan"]
    flags += [f"--baselines_path={tmp_path / 'g.pdparams'}", "--target_age=30", "--num_threads=1"]
    assert compare(*flags) == 1
    said = capsys.readouterr()
    assert "not judged: a.png: group-gan: no network leads from" in said.err
    assert "group-gan" in said.out


@pytest.mark.parametrize(
    "flags, problem",
    [
        (["--methods=sam"], "--methods sam needs --checkpoint_path"),
        (["--methods=dall-e"], "--methods dall-e: one of"),
        (["--target_age=+20"], "--target_age +20"),
        (["--results=folder"], "--results folder: NAME:FOLDER"),
        (["--data_path="], "--data_path is needed"),
    ],
)
def test_bad_flags_are_one_line(flags, problem, tmp_path, capsys):
    assert compare("--data_path=tests/data", f"--exp_dir={tmp_path}", *flags) == 2
    error = capsys.readouterr().err.strip()
    assert problem in error and len(error.splitlines()) == 1


def test_photos_without_a_face_are_named(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "photos" / "wall.png")
    save(tmp_path / "g.pdparams", ["fa"])
    flags = [f"--data_path={tmp_path / 'photos'}", f"--exp_dir={tmp_path}", "--methods=fa-gan"]
    assert compare(*flags, f"--baselines_path={tmp_path / 'g.pdparams'}") == 2
    assert "no face in any of 1 photos" in capsys.readouterr().err
