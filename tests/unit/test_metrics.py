"""Result folders, tables per target age, and age errors, by hand."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work.configs.metrics_options import metrics_parser, out_folder
from work.datasets.images import ImageError, read_image, save_image
from work.errors import UserError
from work.metrics import age_error, losses, overview, report
from work.metrics.report import Scores
from work.metrics.results import Result, list_results, read_face, read_pair


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
        ("", "other/a.png"), ("", "x.png"), ("5", "a.jpg"), ("10", "a.png"), ("62.5", "b/c.jpg"),
    ]  # fmt: skip
    assert [r.partner and r.partner.name for r in results] == [
        None,
        None,
        "a.jpg",
        "a.jpg",
        "c.png",
    ]


def test_relative_ages_have_partners_but_no_target(tmp_path):
    names = ("+20/a.png", "-5.5/a.png", "0/a.png", "05000/b.png", "69000/b.png", "101/b.png")
    results = list_results(touch(tmp_path / "data", *names), touch(tmp_path / "truth", "a.jpg"))
    assert {r.age: r.has_target for r in results if r.partner} == {
        "+20": False,
        "-5.5": False,
        "0": True,
    }
    assert {r.name for r in results if not r.age} == {"05000/b.png", "69000/b.png", "101/b.png"}


def test_partners_are_found_whatever_their_suffix(tmp_path):
    data = touch(tmp_path / "data", "a.png", "a.jpg", "b.png", "c.png", "d.png")
    truth = touch(tmp_path / "truth", "a.png", "a.jpg", "b.jpg", "b.webp", "c.tif")
    results = list_results(data, truth)
    assert [(r.name, r.partner and r.partner.name) for r in results] == [
        ("a.jpg", "a.jpg"), ("a.png", "a.png"), ("b.png", "b.jpg"), ("c.png", "c.tif"), ("d.png", None),
    ]  # fmt: skip


def test_plots_of_earlier_scores_are_no_results(tmp_path):
    data = touch(tmp_path, "20/a.png", "inference_metrics/scores_id.png")
    assert [r.name for r in list_results(data)] == ["a.png"]


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
    scores = scores_by_age("lpips", {"20": {"a.png": 0.1, "b.png": 0.3}, "5": {"a.png": 0.5}})
    scores.failed.append((Path("bad.png"), "the file is empty"))
    report.write_report(scores, tmp_path, Path("exp/inference_results"))
    assert scores.exit_code() == 1
    out = capsys.readouterr().out
    assert "bad.png: the file is empty" in out and "3 pictures judged, 1 not" in out
    assert "lpips:\nage  n" in out  # of calc_all's tables each is named
    stat = (tmp_path / "stat_lpips.txt").read_text().splitlines()
    assert stat[0] == "Average loss is 0.30+-0.16"  # the official script's sentence
    assert [line.split() for line in stat[2:5]] == [
        ["5", "1", "0.5000", "0.0000", "0.5000"],
        ["20", "2", "0.2000", "0.1000", "0.2000"],
        ["all", "3", "0.3000", "0.1633", "0.3000"],
    ]
    assert json.loads((tmp_path / "scores_lpips.json").read_text()) == scores.values
    with open(tmp_path / "scores_lpips.csv", newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["5", "a.png", "0.5"],
            ["20", "a.png", "0.1"],
            ["20", "b.png", "0.3"],
        ]
    assert (tmp_path / "scores_lpips.png").read_bytes()[:4] == b"\x89PNG"


def test_plots_do_not_make_matplotlib_talk(caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("matplotlib").setLevel(logging.NOTSET)
    assert logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.INFO)
    report.figure()
    assert not logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.INFO)


def test_report_of_a_flat_folder(tmp_path):
    scores = scores_by_age("id", {"": {"1287.jpg": 0.5, "b.png": 1.0}})
    report.write_report(scores, tmp_path, tmp_path)
    assert scores.exit_code() == 0
    assert json.loads((tmp_path / "scores_id.json").read_text()) == {"1287.jpg": 0.5, "b.png": 1.0}
    assert (tmp_path / "stat_id.txt").read_text().startswith("New Average score is 0.75+-0.25\n")


def test_nothing_judged_is_exit_code_2(tmp_path, capsys):
    scores = Scores("id", failed=[(Path("a.png"), "no face found")])
    report.write_report(scores, tmp_path, tmp_path)
    age_error.write_report(scores, tmp_path, tmp_path, "age_v1")
    assert scores.exit_code() == 2
    assert not list(tmp_path.iterdir()) and "none of 1" in capsys.readouterr().out


def test_sibling_folders_do_not_overwrite_each_others_scores(tmp_path):
    places = {}
    for _ in range(2):  # the second time each finds its own place again
        for name, value in (("first", 0.25), ("second", 0.75)):
            options = metrics_parser("", "", "").parse_args([f"--data_path={tmp_path / name}/"])
            places[name] = out_folder(options)
            scores = scores_by_age("id", {"": {"a.png": value}})
            report.write_report(scores, places[name], options.data_path)
    metrics = tmp_path / "inference_metrics"
    assert places == {"first": metrics, "second": metrics / "second"}
    assert json.loads((metrics / "scores_id.json").read_text()) == {"a.png": 0.25}
    assert json.loads((metrics / "second" / "scores_id.json").read_text()) == {"a.png": 0.75}


def test_a_coupled_picture_is_not_compared_with_a_single_one(tmp_path):
    single, coupled = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (128, 64), "red")
    for name, picture in (("one/a.png", single), ("two/a.png", coupled), ("four/a.png", coupled)):
        save_image(picture, tmp_path / name)
    (pair,) = list_results(tmp_path / "two", tmp_path / "one")
    with pytest.raises(ImageError, match=r"two.a\.png: 128x64 px is a row of several faces"):
        read_pair(pair)
    (both,) = list_results(tmp_path / "two", tmp_path / "four")
    assert [picture.size for picture in read_pair(both)] == [(128, 64), (128, 64)]
    with pytest.raises(ImageError, match="row of several faces"):
        read_face(tmp_path / "two" / "a.png")
    assert read_face(tmp_path / "one" / "a.png").size == (64, 64)


def test_l2_is_exact(tmp_path):
    rng = np.random.default_rng(0)
    for folder, spread in (("results", 1), ("truth", 3)):
        pixels = (128 + spread * rng.standard_normal((256, 256, 3))).clip(0, 255)
        save_image(Image.fromarray(pixels.astype(np.uint8)), tmp_path / folder / "a.png")
    scores = losses.measure("l2", tmp_path / "results", tmp_path / "truth", 4, 1)
    x, y = (
        np.asarray(read_image(tmp_path / folder / "a.png"), float) / 127.5 - 1
        for folder in ("results", "truth")
    )
    assert scores.values[""]["a.png"] == pytest.approx(((x - y) ** 2).mean(), rel=1e-5)


def test_age_errors_by_hand(tmp_path, capsys):
    scores = scores_by_age(
        "age", {"10": {"a": 12.0, "b": 16.0}, "30": {"a": 25.0, "b": 14.0}, "50": {"a": 52.0}}
    )
    found = age_error.summarize(scores)
    assert found["mean absolute error"] == pytest.approx((2 + 6 + 5 + 16 + 2) / 5)
    assert found["bias"] == pytest.approx((2 + 6 - 5 - 16 + 2) / 5)
    assert found["correlation"] == pytest.approx(
        np.corrcoef([10, 10, 30, 30, 50], [12, 16, 25, 14, 52])[0, 1]
    )
    assert found["rising steps"] == pytest.approx(2 / 3)  # a rises twice, b falls
    assert age_error.rows_by_age(scores)[1] == ["30", 2, 19.5, 10.5, -10.5, 5.5]
    age_error.write_report(scores, tmp_path, tmp_path, "age_v1")
    assert scores.exit_code() == 0
    assert "rising steps: 0.6667" in (tmp_path / "stat_age.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scored.txt", "scores_age.csv", "scores_age.json", "scores_age.png", "stat_age.txt",
    ]  # fmt: skip


def test_one_target_age_has_no_correlation():
    found = age_error.summarize(scores_by_age("age", {"10": {"a": 12.0, "b": 16.0}}))
    assert np.isnan(found["correlation"]) and np.isnan(found["rising steps"])


def test_age_errors_need_folders_of_ages(tmp_path):
    with pytest.raises(UserError, match="target ages"):
        age_error.measure(touch(tmp_path, "a.png"), 1, "age_v1", "cpu")


def test_one_table_of_all_metrics(tmp_path, capsys):
    lpips = scores_by_age("lpips", {"10": {"a": 0.1, "b": 0.3}, "30": {"a": 0.5, "c": 9.0}})
    similar = scores_by_age("id", {"10": {"a": 0.8, "b": 0.6}, "30": {"a": 0.5}})
    ages = scores_by_age("age", {"10": {"a": 12.0, "b": 6.0}, "30": {"a": 25.0, "c": 30.0}})
    overview.write_overview([lpips, similar, ages], tmp_path)
    with open(tmp_path / "table.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["age", "n", "LPIPS", "identity", "age error"]
    assert [[row[0], *map(float, row[1:])] for row in rows] == [
        ["10", 2, pytest.approx(0.2), pytest.approx(0.7), 3],
        ["30", 1, 0.5, 0.5, 5],  # c has no identity score: it is left out
        ["all", 3, pytest.approx(0.3), pytest.approx(1.9 / 3), pytest.approx(11 / 3)],
    ]
    lines = (tmp_path / "table.tex").read_text().splitlines()
    assert (
        r"age & $n$ & LPIPS $\downarrow$ & identity $\uparrow$ & age error $\downarrow$ \\" in lines
    )
    assert r"10 & 2 & 0.200 & 0.700 & 3.000 \\" in lines
    assert lines[1] == r"\begin{tabular}{rrrrr}" and lines[-1] == r"\end{tabular}"
    assert "table.tex" in capsys.readouterr().out


def test_without_a_picture_that_all_metrics_judged_there_is_no_table(tmp_path, capsys):
    lpips = scores_by_age("lpips", {"": {"a": 0.1}})
    overview.write_overview([lpips, Scores("id")], tmp_path)
    assert not list(tmp_path.iterdir()) and "no common table" in capsys.readouterr().out
