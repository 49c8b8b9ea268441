"""Ages out of names and tables, and the groups they fall into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from work.configs.age_groups import group_of, parse_groups
from work.datasets.ages import age_in_name, hold_out, members, read_ages
from work.errors import UserError


@pytest.mark.parametrize(
    "name, age",
    [
        ("25_0_1_20170116174525125.jpg", 25),
        ("100_1_0_20170112213303693.jpg.chip.jpg", 100),
        ("61_1_20170109142408075.png", 61),  # one of those that lack a race
        ("14_Aaron_Johnson_0001.jpg", 14),
        ("53_Robin_Williams_0012.jpg", 53),
        ("00012.jpg", None),
        ("25.jpg", None),
        ("2017_holiday.jpg", None),
    ],
)
def test_ages_in_names(name, age):
    assert age_in_name(Path("folder") / name) == age


def test_a_table_beats_names_and_leaves_others_unknown(tmp_path):
    (tmp_path / "ages.csv").write_text(
        "file,age,gender\n25_0_1_20170116174525125.jpg,31.5,male\nsub/b.png,7,x\n"
    )
    paths = [tmp_path / name for name in ("25_0_1_20170116174525125.jpg", "sub/b.png", "c.png")]
    assert np.array_equal(
        read_ages(tmp_path, paths), np.array([31.5, 7, np.nan], np.float32), equal_nan=True
    )


@pytest.mark.parametrize(
    "text, problem",
    [
        ("name,years\na.png,3\n", "lacks the column age and file"),
        ("file,age\na.png,old\n", "line 2: the age 'old'"),
        ("file,age\nb.png,3\na.png,-2\n", "line 3: the age '-2'"),
        ("file,age\nother.png,3\n", "names none of its 1 pictures"),
    ],
)
def test_bad_tables_are_named(text, problem, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(text)
    with pytest.raises(UserError, match=problem) as error:
        read_ages(tmp_path, [tmp_path / "a.png"], table)
    assert "mine.csv" in str(error.value)


def test_a_folder_without_ages(tmp_path):
    with pytest.raises(UserError, match="a folder without ages.*--ages_csv"):
        read_ages(tmp_path, [tmp_path / "00001.png"])


def test_groups():
    groups = parse_groups("coarse")
    assert [g.name for g in groups] == ["00-20", "20-40", "40-60", "60+"]
    assert [group_of(age, groups).name for age in (0, 19.9, 20, 59, 60, 116)] == (
        ["00-20", "00-20", "20-40", "40-60", "60+", "60+"]
    )
    assert members(np.array([25, np.nan, 40, 39.5]), groups[1]).tolist() == [0, 3]
    with pytest.raises(
        UserError, match=r"25 is outside all age groups \(30-40, 40-50, 50-60, 60-70\)"
    ):
        group_of(25, parse_groups("fine"))


@pytest.mark.parametrize("text", ["", "20", "40-20", "20-20", "a-b", "20-40,30-50", "60+,70-80"])
def test_groups_that_are_none(text):
    with pytest.raises(UserError, match="age group"):
        parse_groups(text)


def test_as_many_of_each_group_are_held_out_and_always_the_same():
    ages, groups = np.repeat([5.0, 25, 45, 65], [9, 20, 6, 7]), parse_groups("coarse")
    held = hold_out(ages, groups, 5, seed=1)
    assert [int(held[ages == age].sum()) for age in (5, 25, 45, 65)] == [5, 5, 5, 5]
    assert np.array_equal(held, hold_out(ages, groups, 5, seed=1))
    assert not np.array_equal(held, hold_out(ages, groups, 5, seed=2))
    with pytest.raises(UserError, match="40-60 has 6 faces; 6 cannot"):
        hold_out(ages, groups, 6, seed=1)
