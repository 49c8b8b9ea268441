"""The command `paddle-sam`: it knows every script, shows what each is for, and stays out of its way."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from work import __main__ as command
from work.configs.command_line import Parser

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for group in command.GROUPS.values() for name in group]


@pytest.fixture(autouse=True)
def same_argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["paddle-sam"])


def test_every_script_is_a_command_once():
    scripts = [path.stem for path in (ROOT / "work/scripts").glob("[a-z]*.py")]
    assert sorted(NAMES) == sorted([*scripts, "convert", "verify", "export_torch"])


def test_help_says_what_each_command_is_for(capsys):
    assert command.main(["--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name in NAMES:
        assert f"{name} {command.summary(name)}" in words
        assert command.summary(name).endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_help_shows_examples_that_can_be_typed(name, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([name, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and f"usage: paddle-sam {name}" in out
    assert f"  paddle-sam {name}" in out.partition("examples:\n")[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_help_shows_the_default_of_every_flag(name, monkeypatch):
    parsers = []

    def keep(parser, *_: object) -> None:
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(Parser, "parse_known_args", keep)
    with pytest.raises(SystemExit):
        command.main([name])
    (parser,) = parsers
    for action in parser._actions:
        text = parser._get_formatter()._get_help_string(action)
        untold = action.default not in (None, False, argparse.SUPPRESS)
        assert "default" in text or not untold, f"{name}: {action.option_strings} {text}"


def test_help_does_not_import_paddle():
    code = "import sys; from work.__main__ import main; main(['--help']); sys.exit('paddle' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_an_unknown_command_is_named_with_the_nearest(capsys):
    assert command.main(["age_foto"]) == 2
    assert "'age_foto'; did you mean age_photo?" in capsys.readouterr().err


def test_a_users_mistake_is_one_line_and_code_2(capsys, tmp_path):
    assert command.main(["convert", str(tmp_path / "none.pt"), str(tmp_path / "x.pdparams")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "none.pt" in error and error.count("\n") == 1


def test_hyphens_do_as_well(capsys):
    assert command.main(["get-weights", "--list"]) == 0
    assert "mobile_stylegan" in capsys.readouterr().out


def test_python_m_work_is_the_same():
    run = [sys.executable, "-m", "work", "age_photo", "me.jpg"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.endswith("error: no such image or folder: me.jpg\n")


def test_a_file_shows_how_it_was_called():
    run = [sys.executable, "scripts/age_photo.py", "--help"]
    done = subprocess.run(run, cwd=ROOT / "work", capture_output=True, text=True, check=True)
    assert "\n  python scripts/age_photo.py us.jpg us_later.jpg" in done.stdout
