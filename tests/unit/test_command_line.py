"""File names and flags in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from work.configs.command_line import parse_with_paths
from work.configs.film_options import FilmOptions


def parsed(*words):
    return parse_with_paths(FilmOptions, words, "text", "example", "IN OUT", "files")


@pytest.mark.parametrize(
    "words",
    [
        ("a.jpg", "b.mp4", "--caption", "--fps", "9"),
        ("--caption", "a.jpg", "b.mp4", "--fps=9"),
        ("--caption", "a.jpg", "--fps", "9", "b.mp4"),
        ("a.jpg", "--fps", "9", "--caption=True", "b.mp4"),
    ],
)
def test_order_does_not_matter(words):
    paths, options = parsed(*words)
    assert paths == [Path("a.jpg"), Path("b.mp4")]
    assert options.caption and options.fps == 9 and options.typed == {"caption", "fps"}


def test_negative_ages_and_switched_off_flags():
    paths, options = parsed("--target_age", "-15,+20", "--no-back", "a.jpg", "b.mp4")
    assert [age.text for age in options.ages] == ["-15", "+20"]
    assert options.back is False and len(paths) == 2


def test_no_paths():
    assert parsed()[0] == []


def test_unknown_flags_end_with_code_2(capsys):
    with pytest.raises(SystemExit) as end:
        parsed("a.jpg", "--captoin", "b.mp4")
    assert end.value.code == 2 and "--captoin" in capsys.readouterr().err
