"""What people see: one line, and no control character of a file's name."""

from __future__ import annotations

import pytest

from work.datasets.images import ImageError
from work.errors import UserError, run, shown
from work.progress import progress, say

EVIL = "a\x1b]0;owned\x07\x1b[2Kb\r\nerror: c\u202egpj.exe\udcff.jpg"
SAFE = r"a\x1b]0;owned\x07\x1b[2Kb\r\nerror: c\u202egpj.exe\udcff.jpg"


def test_control_characters_are_spelled_out():
    assert shown(EVIL) == SAFE
    assert shown("Müller 张伟 1.jpg") == "Müller 张伟 1.jpg"
    assert shown("two\nlines\x1b", keep="\n") == "two\nlines\\x1b"


def test_every_way_to_the_terminal_is_safe(capsys):
    def fail():
        raise UserError(f"no such image or folder: {EVIL}")

    assert run(fail) == 2
    say(f"{EVIL}: 1 face")
    list(progress([1], label=EVIL))
    print(ImageError(EVIL, "the file is empty"))
    seen = capsys.readouterr()
    for character in "\x1b\x07\r\u202e\udcff":
        assert character not in seen.out + seen.err
    assert seen.out == f"{SAFE}: 1 face\n{SAFE}: the file is empty\n"


def test_messages_of_several_lines_stay(capsys):
    def fail():
        raise UserError("no network\n  1. download it")

    assert run(fail) == 2 and capsys.readouterr().err == "error: no network\n  1. download it\n"


def test_bugs_keep_their_traceback():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)
