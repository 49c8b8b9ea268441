"""The table of known weights, the script over it, and the ONNX reader."""

from __future__ import annotations

import importlib
import struct

import numpy as np
import pytest

from convert_weights.onnx import read_initializers
from work.configs.weights import KNOWN_WEIGHTS
from work.errors import UserError, run
from work.models import pretrained
from work.scripts import get_weights


@pytest.mark.parametrize("entry", KNOWN_WEIGHTS.values(), ids=list(KNOWN_WEIGHTS))
def test_every_entry_says_how_to_get_it(entry):
    assert entry.file.endswith(".pdparams") and entry.purpose and entry.licence and entry.source
    if entry.package:
        assert "==" in entry.package and len(entry.sha256) == 64 and entry.members
        module, _, function = entry.converter.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
    else:
        assert entry.page.startswith("https://") and entry.fetched


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pretrained, "PACKAGE_FOLDER", tmp_path / "package")
    return tmp_path


def test_list_shows_all(empty, capsys):
    assert get_weights.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}  (not here)" in out for name in KNOWN_WEIGHTS)


def test_what_a_person_has_to_fetch_comes_with_page_and_command(empty, capsys):
    assert get_weights.main(["sam"]) == 2
    error = capsys.readouterr().err
    assert "sam_ffhq_aging.pt from https://" in error and "convert.py sam_ffhq_aging.pt" in error


def test_what_is_there_is_not_fetched(empty, capsys):
    path = empty / "package" / KNOWN_WEIGHTS["sam"].file
    path.parent.mkdir()
    path.touch()
    assert get_weights.main(["sam", "psp"]) == 1
    assert str(path) in capsys.readouterr().out
    assert pretrained.weights_path("sam") == path


def test_unknown_names_are_an_error_that_lists_the_known(empty, capsys):
    assert run(lambda: get_weights.main(["nothing"])) == 2
    assert "mtcnn" in capsys.readouterr().err


def field(number, payload):
    """One protobuf field: an integer, or bytes."""
    if isinstance(payload, int):
        return bytes([number << 3]) + varint(payload)
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def tensor(name, array, dtype, packed):
    dims = [varint(n) for n in array.shape]
    shape = field(1, b"".join(dims)) if packed else b"".join(field(1, n) for n in array.shape)
    return shape + field(2, dtype) + field(8, name.encode()) + field(9, array.tobytes())


def onnx_file(path, *tensors):
    graph = field(2, b"graph") + b"".join(field(5, t) for t in tensors)
    path.write_bytes(field(1, 8) + b"\x15" + struct.pack("<f", 1.0) + field(7, graph))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_onnx_tensors(tmp_path, packed):
    weight = np.arange(600, dtype=np.float32).reshape(2, 300)
    count = np.array([7, -1], np.int64)
    path = onnx_file(
        tmp_path / "a.onnx", tensor("w", weight, 1, packed), tensor("n", count, 7, packed)
    )
    tensors = read_initializers(path)
    assert list(tensors) == ["w", "n"]
    assert np.array_equal(tensors["w"], weight) and np.array_equal(tensors["n"], count)


def test_onnx_files_that_are_none(tmp_path):
    good = onnx_file(
        tmp_path / "good.onnx", tensor("w", np.ones((4, 4), np.float32), 1, False)
    ).read_bytes()
    wrong_size = field(1, 5) + field(2, 1) + field(8, b"w") + field(9, b"1234")
    elsewhere = field(1, 1) + field(2, 1) + field(8, b"w") + field(14, 1)
    for content in (b"", b"text", good[:-9], good[:30]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(UserError, match="bad.onnx"):
            read_initializers(tmp_path / "bad.onnx")
    for part, reason in ((wrong_size, "no raw data"), (elsewhere, "another file")):
        with pytest.raises(UserError, match=reason):
            read_initializers(onnx_file(tmp_path / "bad.onnx", part))
