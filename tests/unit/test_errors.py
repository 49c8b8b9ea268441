"""What people see: one line, and no control character of a file's name."""

from __future__ import annotations

import importlib
import os

import pytest
from PIL import Image

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


@pytest.mark.parametrize("script", ["prepare_data", "calc_losses_on_images"])
def test_folders_with_evil_names_are_done(tmp_path, capfd, script):
    """Good photos and broken ones, called so that a terminal would obey or Python would stumble."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("good\x1b[31m", "good\n2", os.fsdecode(b"good\xff")):
        Image.new("RGB", (64, 64)).save(data / f"{name}.png")
        (data / f"{name}bad.png").write_bytes(b"no image")
    flags = [f"--data_path={data}", f"--out_path={out}"]
    flags += [f"--gt_path={data}", "--mode=l2"] if script == "calc_losses_on_images" else []
    assert run(lambda: importlib.import_module(f"work.scripts.{script}").main(flags)) == 1
    seen = "".join(capfd.readouterr())
    assert "\x1b" not in seen and r"good\x1b[31mbad.png" in seen and r"good\udcffbad.png" in seen
    written = b"".join(path.read_bytes() for path in out.rglob("*.txt"))
    assert rb"good\x1b[31mbad" in written and b"\x1b" not in written
    if script == "prepare_data":
        assert len(list(out.rglob("good*.png"))) == 3


def test_messages_of_several_lines_stay(capsys):
    def fail():
        raise UserError("no network\n  1. download it")

    assert run(fail) == 2 and capsys.readouterr().err == "error: no network\n  1. download it\n"


def test_bugs_keep_their_traceback():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)


def test_what_the_system_refuses_is_one_line(capsys):
    def main():
        raise PermissionError(13, "Permission denied", "/closed/\x1bme.jpg")

    assert run(main) == 2
    assert capsys.readouterr().err == "error: /closed/\\x1bme.jpg: Permission denied\n"
