"""Files made to read elsewhere, cut files and damaged ones."""

from __future__ import annotations

import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

from convert_weights.plain import plain
from convert_weights.reader import read
from convert_weights.tensors import BadFile
from tests.convert.helpers import FILES, legacy_with, tensor_pickle, zip_with
from tests.convert.hostile import refused


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"shape": (3,)}, "reaches beyond"),
        ({"shape": (2**61,)}, "reaches beyond"),
        ({"shape": (2**40, 2**40)}, "malformed"),
        ({"shape": (10**6, 10**6), "strides": (0, 0)}, "reaches beyond"),
        ({"shape": (0, 2**50), "strides": (1, 1)}, "reaches beyond"),
        ({"shape": (-1,)}, "shape"),
        ({"shape": (2.0,)}, "shape"),
        ({"shape": (True,)}, "shape"),
        ({"shape": 2}, "shape"),
        ({"shape": (1,) * 40, "strides": (1,) * 40}, "shape"),
        ({"strides": (2,)}, "reaches beyond"),
        ({"strides": (-1,)}, "strides"),
        ({"strides": ()}, "do not fit"),
        ({"offset": 1}, "reaches beyond"),
        ({"offset": -1}, "do not fit"),
        ({"offset": None}, "do not fit"),
        ({"numel": 3}, "storage"),
        ({"numel": 2**60}, "storage|truncated"),
        ({"key": "7"}, "missing|storage"),
    ],
)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_views_outside_their_storage(tmp_path, container, changes, message):
    document = tensor_pickle(**changes)
    path = tmp_path / "x.pt"
    if container == "zip":
        zip_with(path, document, {"data/0": bytes(8)})
    else:
        legacy_with(path, document, {"0": bytes(8)})
    with pytest.raises(BadFile, match=message):
        read(path)  # already here, not only when the numbers are asked for


def test_bytes_after_a_legacy_file(tmp_path):
    path = legacy_with(tmp_path / "x.pt", tensor_pickle(), {"0": bytes(8)})
    assert read(path).data["x"].numpy().tolist() == [0, 0]
    path.write_bytes(path.read_bytes() + b"x")
    assert "1 unknown bytes after its end" in refused(path)


def test_zip_tricks(tmp_path):
    path = tmp_path / "x.pt"
    zip_with(path, tensor_pickle(), {"data/0": bytes(8)}, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(path)
    with pytest.warns(UserWarning, match="Duplicate"):
        zip_with(path, tensor_pickle(), {"data/0": bytes(8), "data.pkl": tensor_pickle()})
    assert "two entries of one name" in refused(path)
    zip_with(path, tensor_pickle(), {"data/0": bytes(8), "constants.pkl": b""})
    assert "TorchScript" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    assert "not one that torch.save wrote" in refused(path)
    # The directory at the end lies about where the entry begins.
    zip_with(path, tensor_pickle(), {"data/0": bytes(8)})
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02") + 42
    content[place : place + 4] = struct.pack("<I", len(content) - 40)
    path.write_bytes(bytes(content))
    assert "local header" in refused(path)


def numbers_of(path):
    return {
        name: tensor.numpy().tobytes() for name, tensor in read(path).data["state_dict"].items()
    }


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt", "numpy"])
def test_truncated_and_damaged_files(tmp_path, name):
    """Cut anywhere: always refused. Change a byte anywhere: refused, or read as data; never another error."""
    if name == "numpy":
        content = pickle.dumps(
            {"state_dict": {"x": np.arange(2000.0), "y": np.ones(3, np.float32)}}, 4
        )
    else:
        content = (FILES / name).read_bytes()
    path = tmp_path / "x.pt"
    rng = random.Random(1)
    for cut in {0, 1, 2, 8, len(content) - 1, *(rng.randrange(len(content)) for _ in range(150))}:
        path.write_bytes(content[:cut])
        with pytest.raises(BadFile):
            numbers_of(path)
    refusals = 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 4))):
            place = rng.randrange(len(content) if rng.random() < 0.5 else min(500, len(content)))
            damaged[place] = rng.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            data = read(path).data
            plain(data)
        except BadFile:
            refusals += 1
    assert refusals > 50
