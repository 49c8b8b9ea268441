"""Result folders, tables per target age, and age errors, by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from work.errors import UserError
from work.metrics import age_error as age
from work.metrics import report
from work.metrics.report import Scores
from work.metrics.results import Result, list_results


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_of_ages_are_told_from_others(tmp_path):
    data = touch(tmp_path / "data", "10/a.png", "62.5/b/c.jpg", "5/a.jpg", "other/a.png", "x.png")
    truth = touch(tmp_path / "truth", "a.jpg", "b/c.png")
    results = list_results(data, truth)
    assert [(r.age, r.name) for r in results] == [
        ("", "other/a"), ("", "x"), ("5", "a"), ("10", "a"), ("62.5", "b/c"),
    ]  # fmt: skip
    assert [r.partner and r.partner.name for r in results] == [
        None,
        None,
        "a.jpg",
        "a.jpg",
        "c.png",
    ]


def test_empty_folders_are_an_error(tmp_path):
    with pytest.raises(UserError, match="no image"):
        list_results(touch(tmp_path / "a", "x.txt"))
    with pytest.raises(UserError, match="no image"):
        list_results(touch(tmp_path / "b", "x.png"), touch(tmp_path / "c", "x.txt"))


def scores_by_age(label, values):
    scores = Scores(label)
    for years, named in values.items():
        for name, value in named.items():
            scores.add(Result(Path(name), years, name), value)
    return scores


def test_report_files_per_age(tmp_path, capsys):
    scores = scores_by_age("lpips", {"20": {"a": 0.1, "b": 0.3}, "5": {"a": 0.5}})
    scores.failed.append((Path("bad.png"), "the file is empty"))
    assert report.close(scores, tmp_path) == 1
    out = capsys.readouterr().out
    assert "bad.png: the file is empty" in out and "3 pictures judged, 1 not" in out
    stat = (tmp_path / "stat_lpips.txt").read_text().splitlines()
    assert stat[0] == "Average lpips is 0.3000+-0.1633"
    assert [line.split() for line in stat[2:5]] == [
        ["5", "1", "0.5000", "0.0000", "0.5000"],
        ["20", "2", "0.2000", "0.1000", "0.2000"],
        ["all", "3", "0.3000", "0.1633", "0.3000"],
    ]
    assert json.loads((tmp_path / "scores_lpips.json").read_text()) == scores.values
    with open(tmp_path / "scores_lpips.csv", newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["5", "a", "0.5"],
            ["20", "a", "0.1"],
            ["20", "b", "0.3"],
        ]
    assert (tmp_path / "scores_lpips.png").read_bytes()[:4] == b"\x89PNG"


def test_report_of_a_flat_folder(tmp_path):
    scores = scores_by_age("id", {"": {"a": 0.5, "b": 1.0}})
    assert report.close(scores, tmp_path) == 0
    assert json.loads((tmp_path / "scores_id.json").read_text()) == {"a": 0.5, "b": 1.0}


def test_nothing_judged_is_exit_code_2(tmp_path, capsys):
    scores = Scores("id", failed=[(Path("a.png"), "no face found")])
    assert report.close(scores, tmp_path) == age.close(scores, tmp_path, "age_v1") == 2
    assert not list(tmp_path.iterdir()) and "none of 1" in capsys.readouterr().out


def test_age_errors_by_hand(tmp_path, capsys):
    scores = scores_by_age(
        "age", {"10": {"a": 12.0, "b": 16.0}, "30": {"a": 25.0, "b": 14.0}, "50": {"a": 52.0}}
    )
    found = age.summary(scores)
    assert found["mean absolute error"] == pytest.approx((2 + 6 + 5 + 16 + 2) / 5)
    assert found["bias"] == pytest.approx((2 + 6 - 5 - 16 + 2) / 5)
    assert found["correlation"] == pytest.approx(
        np.corrcoef([10, 10, 30, 30, 50], [12, 16, 25, 14, 52])[0, 1]
    )
    assert found["rising steps"] == pytest.approx(2 / 3)  # a rises twice, b falls
    assert age.rows(scores)[1] == ["30", 2, 19.5, 10.5, -10.5, 5.5]
    assert age.close(scores, tmp_path, "age_v1") == 0
    assert "rising steps: 0.6667" in (tmp_path / "stat_age.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scores_age.csv", "scores_age.json", "scores_age.png", "stat_age.txt",
    ]  # fmt: skip


def test_one_target_age_has_no_correlation():
    found = age.summary(scores_by_age("age", {"10": {"a": 12.0, "b": 16.0}}))
    assert np.isnan(found["correlation"]) and np.isnan(found["rising steps"])


def test_age_errors_need_folders_of_ages(tmp_path):
    with pytest.raises(UserError, match="target ages"):
        age.measure(touch(tmp_path, "a.png"), 1, "age_v1", "cpu")
