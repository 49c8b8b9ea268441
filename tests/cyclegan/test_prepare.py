"""prepare_data.py with ages: counts, held-out faces, tables, and clear refusals."""

from __future__ import annotations

import csv

import pytest
from PIL import Image

from work.errors import run
from work.scripts.prepare_data import main


def prepare(*flags) -> int:
    return run(lambda: main([*map(str, flags)]))


@pytest.fixture
def people(tmp_path):
    """UTKFace's names: 4 children, 6 of 30 years, 3 of 70, one picture without an age."""
    root = tmp_path / "people"
    root.mkdir()
    names = [
        f"{age}_0_0_2017010{i}170550929.jpg"
        for age, n in ((8, 4), (30, 6), (70, 3))
        for i in range(n)
    ]
    for name in [*names, "nobody.jpg"]:
        Image.new("RGB", (20, 20), "grey").save(root / name)
    return root


def table(path):
    with open(path, newline="") as file:
        return {row["file"]: float(row["age"]) for row in csv.DictReader(file)}


def test_groups_are_counted_and_faces_held_out(people, tmp_path, capsys):
    out = tmp_path / "out"
    flags = (
        f"--data_path={people}",
        f"--out_path={out}",
        "--size=16",
        "--age_groups=20-40,60+",
        "--hold_out=2",
    )
    assert prepare(*flags) == 0
    said = capsys.readouterr().out
    for line in (
        "20-40: 6 faces",
        "60+: 3 faces",
        "outside these groups: 4 faces",
        "age not known: 1 faces",
    ):
        assert line in said
    train, test = (table(out / part / "ages.csv") for part in ("train", "test"))
    assert sorted(test.values()) == [30, 30, 70, 70]
    assert sorted(train.values()) == [8] * 4 + [30] * 4 + [70]
    for part, ages in (("train", train), ("test", test)):
        there = {path.name for path in (out / part).glob("*.png")}
        assert there - {"nobody.png"} == set(ages)
        assert all(Image.open(out / part / name).size == (16, 16) for name in there)


def test_a_folder_without_ages_is_refused(tmp_path, capsys):
    (tmp_path / "faces").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "faces" / "0001.png")
    flags = (
        f"--data_path={tmp_path / 'faces'}",
        f"--out_path={tmp_path / 'out'}",
        "--age_groups=coarse",
    )
    assert prepare(*flags) == 2
    error = capsys.readouterr().err
    assert "a folder without ages" in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_more_held_out_than_there_are(people, tmp_path, capsys):
    flags = (
        f"--data_path={people}",
        f"--out_path={tmp_path / 'out'}",
        "--age_groups=20-40,60+",
        "--hold_out=3",
    )
    assert prepare(*flags) == 2
    assert "60+ has 3 faces" in capsys.readouterr().err


@pytest.mark.parametrize("out, flag", [("PEOPLE/out", ""), ("out", "--seed=-1")])
def test_results_lie_elsewhere_and_seeds_are_not_negative(out, flag, people, tmp_path, capsys):
    flags = ["--age_groups=coarse", f"--data_path={people}"]
    flags.append(f"--out_path={tmp_path / out.replace('PEOPLE', str(people))}")
    assert prepare(*flags, *filter(None, [flag])) == 2
    assert ("--seed" if flag else "--out_path lies outside") in capsys.readouterr().err


def test_holding_out_needs_groups(people, tmp_path, capsys):
    assert prepare(f"--data_path={people}", f"--out_path={tmp_path / 'out'}", "--hold_out=3") == 2
    assert "--age_groups" in capsys.readouterr().err
