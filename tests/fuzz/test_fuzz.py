"""A few damaged files for every reader, and that the machine notices readers that misbehave. `make fuzz` does more."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.__main__ import TARGETS
from tests.fuzz.run import Target, check, fuzz
from work.errors import UserError


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    refused, failures = fuzz(TARGETS[name], 0, 0, 40, tmp_path / "failures")
    assert not failures
    assert refused > 0 or name == "exif"  # a photo with damaged EXIF is still a photo


@pytest.mark.parametrize("name", [n for n, t in TARGETS.items() if t.words])
def test_undamaged_files_are_read(tmp_path, name):
    target = TARGETS[name]
    target.prepare(tmp_path)
    for good in target.seeds():
        (tmp_path / target.file).write_bytes(target.wrap(good))
        target.read(tmp_path / target.file)


def raises(path):
    raise ValueError(path.read_bytes()[:3])


def hangs(path):
    while True:
        pass


def waits(path):
    time.sleep(1000)


def grows(path):
    return len(bytearray(8 << 30))


def mumbles(path):
    raise UserError("it did not work")


def talks(path):
    raise UserError(f"{path}: one line\nand another")


@pytest.mark.parametrize(
    "reader, problem",
    [
        (raises, "ValueError"),
        (hangs, "Hang: no end"),
        (waits, "Hang: it waits"),
        (grows, "MemoryError"),
        (mumbles, "unclear"),
        (talks, "unclear"),
    ],
)
def test_bad_readers_are_noticed_and_their_files_kept(tmp_path, monkeypatch, reader, problem):
    monkeypatch.setattr("tests.fuzz.run.SECONDS", 1)
    monkeypatch.setattr("tests.fuzz.run.WAIT", 1 if reader is waits else 60)
    target = Target("bad", "x.bin", reader, lambda: [b"abc"])
    refused, failures = fuzz(target, 0, 5, 1, tmp_path / "failures")
    assert refused == 0 and len(failures) == 1 and problem in failures[0], failures
    assert (tmp_path / "failures" / "bad-0-5.bin").is_file()


def test_a_file_is_the_same_whatever_came_before_it(tmp_path):
    seen = []
    target = Target("x", "x.bin", lambda path: seen.append(path.read_bytes()), lambda: [bytes(99)])
    fuzz(target, 3, 0, 6, tmp_path)
    fuzz(target, 3, 5, 1, tmp_path)
    assert seen[5] == seen[6] and len(set(seen)) > 3


def test_clear_refusals_pass(tmp_path):
    def refuses(path):
        raise UserError(f"{path}: is empty")

    assert check(refuses, tmp_path / "x") is None
    assert check(lambda path: None, tmp_path / "x") == ""
