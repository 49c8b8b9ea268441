"""A folder is kept to one process, and the lock of one that was killed keeps nobody out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from work.errors import UserError
from work.locks import lock_folder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from work.locks import lock_folder
with lock_folder(sys.argv[1], "--out"):
    print("inside", flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen:
    """A process that holds a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "inside\n"
    return process


def test_a_second_process_is_told_who_is_inside_and_a_killed_one_keeps_nobody_out(tmp_path):
    process = hold(tmp_path)
    try:
        with pytest.raises(UserError) as error, lock_folder(tmp_path, "--out"):
            raise AssertionError("two processes are inside")
        text = str(error.value)
        assert str(process.pid) in text and f"--out {tmp_path}" in text and "\n" not in text
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert (tmp_path / ".lock").exists()  # what a kill leaves behind
    with lock_folder(tmp_path, "--out"):
        pass
    assert not list(tmp_path.iterdir())


def test_one_process_cannot_enter_twice_but_again_and_again(tmp_path):
    for _ in range(3):
        with lock_folder(tmp_path, "--out"):
            with pytest.raises(UserError), lock_folder(tmp_path, "--out"):
                raise AssertionError("inside twice")


def test_a_folder_that_was_made_for_the_lock_goes_if_it_stays_empty(tmp_path):
    with lock_folder(tmp_path / "a" / "b", "--out"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a").exists()
    with lock_folder(tmp_path / "a" / "b", "--out"):
        (tmp_path / "a" / "b" / "result").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--out .*file"), lock_folder(tmp_path / "file", "--out"):
        raise AssertionError("inside a file")
