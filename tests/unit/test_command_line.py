"""File names and flags in any order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from work.api import Ager
from work.configs.command_line import parse
from work.configs.film_options import FilmOptions
from work.configs.flags import flags
from work.configs.options import STEPS, TestOptions
from work.configs.photo_options import PhotoOptions
from work.configs.project_options import ProjectOptions
from work.configs.train_options import TrainOptions
from work.configs.web_options import WebOptions
from work.errors import UserError
from work.scripts.export import ExportOptions
from work.scripts.prepare_data import PrepareOptions


def parsed(*words):
    return parse(FilmOptions, words, "text", "example")


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
    options = parsed(*words)
    assert options.paths == [Path("a.jpg"), Path("b.mp4")]
    assert options.caption and options.fps == 9 and options.typed == {"caption", "fps"}


def test_negative_ages_and_switched_off_flags():
    options = parsed("--target_age", "-15,+20", "--no-back", "a.jpg", "b.mp4")
    assert [age.text for age in options.ages] == ["-15", "+20"]
    assert options.back is False and len(options.paths) == 2


def test_no_paths():
    assert parsed().paths == []


def complaint(capsys, *words, cls=FilmOptions) -> str:
    """The one line that a command line is refused with, and its exit code."""
    with pytest.raises(SystemExit) as end:
        parse(cls, words, "text", "example")
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--captoin", "--caption"), ("--film-size=9", "--film_size"), ("--no-bakc", "--no-back")],
)
def test_a_mistyped_flag_is_answered_with_the_one_that_was_meant(typed, meant, capsys):
    error = complaint(capsys, "a.jpg", typed, "b.mp4")
    assert f"there is no flag {typed.partition('=')[0]}; did you mean {meant}?" in error


def test_a_flag_like_no_other_is_named_without_a_guess(capsys):
    error = complaint(capsys, "a.jpg", "--xyzzy=3")
    assert "there is no flag --xyzzy" in error and "did you mean" not in error


def test_values_of_another_type_name_their_flag(capsys):
    assert "--fps: invalid int value: 'fast'" in complaint(capsys, "--fps=fast")
    assert "--caption is on or off" in complaint(capsys, "--caption=maybe")


def test_file_names_where_none_are_expected(capsys):
    assert "too many arguments: a.jpg" in complaint(capsys, "a.jpg", cls=TestOptions)


OPTION_CLASSES = [FilmOptions, PhotoOptions, ProjectOptions, TestOptions, TrainOptions, WebOptions]


def help_of(cls, capsys) -> str:
    with pytest.raises(SystemExit):
        parse(cls, ["--help"], "text", "example")
    return capsys.readouterr().out


def described(text: str) -> dict[str, str]:
    """The flags that a help lists, and what it says about each."""
    parts = re.split(r"\n  (?=-)", text.split("examples:")[0])[1:]
    return {re.search(r"--\w+", part)[0]: " ".join(part.split()) for part in parts}


@pytest.mark.parametrize("cls", [*OPTION_CLASSES, PrepareOptions, ExportOptions])
def test_help_shows_the_default_of_every_flag(cls, capsys):
    found = described(help_of(cls, capsys))
    assert found.keys() == {"--help", *(f"--{f.name}" for f in flags(cls))}
    for name, text in found.items():
        assert name == "--help" or "(default: " in text or text.endswith("(required)"), text
        assert "None" not in text


@pytest.mark.parametrize("cls", OPTION_CLASSES)
def test_help_lists_experts_flags_last(cls, capsys):
    parts = [described(part) for part in help_of(cls, capsys).split("for experts:")]
    for expert, part in zip((False, True), parts):
        expected = {f"--{f.name}" for f in flags(cls) if f.metadata["expert"] == expert}
        assert part.keys() - {"--help"} == expected


def test_help_begins_with_what_the_script_is_about(capsys):
    names = list(described(help_of(PhotoOptions, capsys)))
    assert names[:3] == ["--help", "--target_age", "--per_face"]
    assert names.index("--blend") < names.index("--device") < names.index("--output_size")


def test_flags_that_say_no_have_no_opposite(capsys):
    assert "--no-no_crop" not in help_of(FilmOptions, capsys)
    assert parsed("--no_crop").no_crop is True and parsed("--no_crop=False").no_crop is False
    assert "there is no flag --no-no_crop" in complaint(capsys, "--no-no_crop")


def test_the_steps_that_help_shows_are_the_models():
    from work.inference.embedded.model import REFINE_STEPS

    shown = {f.name: f.metadata["shown"] for f in flags(PhotoOptions)}
    assert f"{REFINE_STEPS} for good" in shown["refine"]


def test_quality_is_a_word_and_refine_beats_it(capsys):
    def steps(*typed):
        return parse(PhotoOptions, list(typed), "", "").steps

    assert steps() == STEPS["good"] and steps("--quality=draft") == 0
    assert steps("--quality=best", "--refine=3") == 3
    with pytest.raises(UserError, match="--quality 95: one of draft, good, best.*--jpeg_quality"):
        PhotoOptions(quality="95")
    with pytest.raises(UserError, match="--quality superb"):
        Ager(quality="superb")
    assert Ager(quality="draft").options.steps == 0


def test_options_of_the_page_become_those_of_a_photo():
    page = parse(WebOptions, ["--smallest=50", "--refine=3", "--blend=generator"], "", "")
    photo = page.photo_options()
    assert (photo.smallest, photo.refine, photo.blend) == (50, 3, "generator")
    assert photo.typed == page.typed == {"smallest", "refine", "blend"}
