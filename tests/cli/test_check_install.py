"""check_install.py: a line per check, honest about what is missing and what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from paddle import nn

from work.checks import face, machine, numbers
from work.checks.outcome import Missing, report
from work.errors import UserError
from work.models import pretrained
from work.scripts import check_install


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    from work.downloads import cache_folder

    monkeypatch.setenv("SAM_COMPILED_CACHE", str(cache_folder()))  # do not compile again
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "PACKAGE_FOLDER", tmp_path)


def lines(text):
    return {line.split()[1]: line.split()[0] for line in text.splitlines()}


def test_a_machine_without_git_is_no_failure(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert machine.package() == "a clone at an unknown commit"


def test_without_weights_and_internet_it_says_what_it_could_not_try(no_weights, capsys):
    assert check_install.main(["--device", "cpu", "--offline"]) == 0
    out = capsys.readouterr().out
    found = lines(out)
    assert found["face"] == "note" and found["weights"] == "note"
    assert all(found[name] == "ok" for name in ("paddle", "python", "package", "device"))
    assert found["ranger"] in ("ok", "note") and "amp" not in found
    assert "get_weights.py --default" in out


def test_a_failed_check_is_a_line_and_exit_code_1(no_weights, capsys, monkeypatch):
    def broken():
        raise OSError("first line\nlibcudnn.so: cannot open shared object file")

    monkeypatch.setattr(machine, "engines", broken)
    assert check_install.main(["--device", "cpu", "--offline"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  engines    OSError: libcudnn.so: cannot open shared object file\n" in out
    assert lines(out)["ranger"] in ("ok", "note")  # the checks after it ran, too


def test_a_paddle_that_cannot_be_imported_is_one_line(capsys, monkeypatch):
    def broken():
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(check_install, "_import_paddle", broken)
    assert check_install.main([]) == 1
    assert capsys.readouterr().out == (
        "FAIL  paddle     ImportError: libgomp.so.1: cannot open shared object file\n"
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Missing("no nvcc"), "note  x          no nvcc\n"),
        (UserError("a.pdparams: broken"), "FAIL  x          a.pdparams: broken\n"),
    ],
)
def test_lines(error, line, capsys):
    def check():
        raise error

    assert report("x", check) == line.startswith("note")
    assert capsys.readouterr().out == line


def test_the_face_is_the_stored_one(fetched):
    for name in pretrained.KNOWN_WEIGHTS:
        if name in face.DEFAULT_WEIGHTS:
            fetched(name)
    assert "of 255 at most" in face.aged()


def test_another_face_is_not(monkeypatch):
    stored = np.array(json.loads(face.STORED.read_text())["means"])
    assert stored.shape == (2, face.GRID, face.GRID, 3)
    assert np.abs(stored[0] - stored[1]).max() > 20 * face.TOLERANCE  # it aged
    monkeypatch.setattr(face, "load_embedded", lambda **_: None)
    for wrong in (stored[::-1], stored + face.TOLERANCE + 0.1, stored * np.nan):
        monkeypatch.setattr(face, "measure", lambda _, wrong=wrong: wrong)
        with pytest.raises(RuntimeError, match="differs from the stored"):
            face.aged()


def test_mixed_precision():
    assert "bfloat16: the loss differs by" in numbers.mixed_precision("bfloat16")


def test_a_wrong_batch_norm_is_seen():
    assert "differs" in numbers.compare_batch_norms(
        numbers.small_network(), numbers.small_network()
    )
    other = numbers.small_network()
    other[1] = nn.BatchNorm2D(16, momentum=0.8)
    with pytest.raises(RuntimeError, match="differs from BatchNorm2D"):
        numbers.compare_batch_norms(numbers.small_network(), other)


def test_a_wrong_ranger_is_seen(monkeypatch):
    ends = iter([[np.ones(3)], [np.ones(3) * 1.001]])
    monkeypatch.setattr(numbers, "load_compiled", lambda place: None)
    monkeypatch.setattr(numbers, "_trained", lambda impl: next(ends))
    with pytest.raises(RuntimeError, match="tolerance"):
        numbers.ranger()
