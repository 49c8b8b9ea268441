"""The reader against files that PyTorch, Paddle, numpy and safetensors wrote."""

from __future__ import annotations

import json
import pickle
import struct

import numpy as np
import pytest

from convert_weights.plain import plain
from convert_weights.reader import PADDLE, SAFETENSORS, TORCH_LEGACY, TORCH_ZIP, read
from convert_weights.tensors import BadFile
from tests.convert.helpers import FILES, legacy_with, tensor_pickle, zip_with


def torch_numbers() -> dict[str, np.ndarray]:
    """What golden/torch_files/make.py stored, by the same formulas."""
    base = np.arange(60, dtype=np.float32) / 8
    return {
        "plain": base[:12].reshape(3, 4),
        "whole": base,
        "slice": base[10:22].reshape(3, 4),
        "transposed": base[24:48].reshape(4, 6).T,
        "strided": base[1::7],
        "channels_last": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4),
        "parameter": np.full((2, 2), 0.5, np.float32),
        "half": np.array([0.1, -2.0, 65504.0], np.float16),
        # round to nearest even at 8 bits of mantissa: 0.1 -> 0x3DCD, 3e38 -> 0x7F62
        "bfloat": np.array([0x3DCD0000, 0xC0000000, 0x7F620000], np.uint32).view(np.float32),
        "double": np.array([[0.1]]),
        "long": np.array(2**40),
        "bytes": np.array([0, 255], np.uint8),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 5), np.float32),
    }


OPTIONS = {
    "path": "/data/faces", "device": "cuda:1", "size": [2, 3], "dtype": "torch.float16", "rate": 0.25, "count": 7,
    "tensor": [1.5, 2.5], "pair": [1, "two"], "names": ["one"], "nothing": None, "yes": True, "big": 2**70,
    "nested": {"a": [1.0, -2]}, "array": [0, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize("name, container", [("zip.pt", TORCH_ZIP), ("legacy.pt", TORCH_LEGACY)])
def test_torch_files(name, container):
    source = read(FILES / name)
    assert source.container == container
    found = {key: tensor.numpy() for key, tensor in source.data["state_dict"].items()}
    expected = torch_numbers()
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].dtype == array.dtype and found[key].shape == array.shape, key
        assert np.array_equal(found[key], array), key
        assert found[key].flags.c_contiguous, key
    assert plain(source.data["opts"]) == OPTIONS


def test_legacy_storage_view(tmp_path):
    """Files before PyTorch 1.0 may store a view of a larger storage: (key, offset, size)."""
    numbers = np.arange(10, dtype=np.float32)
    document = tensor_pickle((2, 2), (1, 2), offset=1, numel=10, view=("view", 3, 5))
    path = legacy_with(tmp_path / "old.pt", document, {"0": numbers.tobytes()})
    assert np.array_equal(read(path).data["x"].numpy(), numbers[4:8].reshape(2, 2).T)
    bad = legacy_with(
        tmp_path / "bad.pt", tensor_pickle(numel=10, view=("v", 8, 3)), {"0": numbers.tobytes()}
    )
    with pytest.raises(BadFile, match="common storage"):
        read(bad)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_pickles(tmp_path, protocol):
    arrays = {
        "small": np.arange(6, dtype=np.float32).reshape(2, 3),
        "large": np.random.default_rng(0)
        .standard_normal((50, 70))
        .astype(np.float32),  # all byte values
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big_endian": np.arange(5, dtype=">f4"),
        "half": np.arange(3, dtype=np.float16),
        "long": np.array(5),
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.float32(1.5),
    }
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"w": arrays, "n": 3}, protocol))
    source = read(path)
    assert source.container == PADDLE and source.data["n"] == 3
    for name, array in arrays.items():
        found = source.data["w"][name].numpy()
        assert np.array_equal(found, array) and found.shape == np.shape(array), name
        assert found.dtype == array.dtype.newbyteorder("="), name


def test_python2_numpy_pickle(tmp_path):
    """Python 2 wrote array bytes as `str`; the opcodes are those of its own cPickle, protocol 2."""
    data = np.array([1.5, -2.0], "<f4").tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
    array += b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    (tmp_path / "py2.pkl").write_bytes(b"\x80\x02}U\x01w" + array + b"U\x08" + data + b"tbs.")
    assert read(tmp_path / "py2.pkl").data["w"].numpy().tolist() == [1.5, -2.0]


def test_paddle_layouts(tmp_path):
    """Pairs (name, array) inside containers, the table of names, and large tensors in slices."""
    array = np.arange(12, dtype=np.float32)

    class Pair:
        def __reduce__(self):
            return tuple, (("linear_0.w_0", array.reshape(3, 4)),)

    saved = {
        "state_dict": {"weight": Pair()},
        "StructuredToParameterName@@": {"weight": "linear_0.w_0"},
        "big@@.0": array[:7],
        "big@@.1": array[7:],
        "UnpackBigParamInfor@@": {"big": {"OriginShape": (3, 4), "slices": ["big@@.0", "big@@.1"]}},
    }
    (tmp_path / "p.pdparams").write_bytes(pickle.dumps(saved, 2))
    data = read(tmp_path / "p.pdparams").data
    assert set(data) == {"state_dict", "big"}
    assert np.array_equal(data["state_dict"]["weight"].numpy(), array.reshape(3, 4))
    assert np.array_equal(data["big"].numpy(), array.reshape(3, 4))


def test_paddle_save_itself(tmp_path):
    import paddle

    layer = paddle.nn.Linear(3, 4)
    for protocol in (2, 4):
        paddle.save(
            {"state_dict": {"encoder": layer.state_dict()}, "opts": {"a": 1}},
            str(tmp_path / "x"),
            protocol,
        )
        data = read(tmp_path / "x").data
        assert data["opts"] == {"a": 1}
        assert np.array_equal(data["state_dict"]["encoder"]["weight"].numpy(), layer.weight.numpy())
        paddle.save(layer.state_dict(), str(tmp_path / "x"), protocol)
        assert set(read(tmp_path / "x").data) == {"weight", "bias"}


def safetensors(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_safetensors(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [1], "data_offsets": [8, 10]},
    }
    path = safetensors(
        tmp_path / "x.safetensors", header, np.array([1, 2], "<f4").tobytes() + b"\x80\x3f"
    )
    source = read(path)
    assert source.container == SAFETENSORS
    assert source.data["a"].numpy().tolist() == [[1.0], [2.0]] and source.data[
        "b"
    ].numpy().tolist() == [1.0]


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 80]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2**40, 2**40, 0], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]},
        {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": 8},
        {},
        3,
    ],
)
def test_damaged_safetensors(tmp_path, entry):
    with pytest.raises(BadFile, match="x.safetensors"):
        read(safetensors(tmp_path / "x.safetensors", {"a": entry}, b"12345678"))


@pytest.mark.parametrize("header", [b"{", b"{}}", b"{" * 5000, b'{"a": [' * 90000])
def test_damaged_safetensors_header(tmp_path, header):
    with pytest.raises(BadFile, match="JSON|truncated"):
        read(safetensors(tmp_path / "x.safetensors", header))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n\n <html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"hello world, this is no checkpoint", "not a PyTorch"),
        (b"\x80\x02}.trailing", "unknown bytes after its end"),
        (b"PK\x03\x04 not really", "zip file"),
        (bytes(257) + b"ustar" + bytes(300), "tar file"),
    ],
)
def test_no_checkpoint(tmp_path, content, message):
    (tmp_path / "file.pt").write_bytes(content)
    with pytest.raises(BadFile, match=message) as caught:
        read(tmp_path / "file.pt")
    assert str(caught.value).startswith(str(tmp_path / "file.pt")) and "\n" not in str(caught.value)


def test_missing_and_folder(tmp_path):
    with pytest.raises(BadFile, match="No such file"):
        read(tmp_path / "nothing.pt")
    with pytest.raises(BadFile, match="is a folder"):
        read(tmp_path)


def test_big_endian_is_refused(tmp_path):
    numbers = {"0": bytes(8)}
    with pytest.raises(BadFile, match="big-endian"):
        read(legacy_with(tmp_path / "a.pt", tensor_pickle(), numbers, little_endian=False))
    with pytest.raises(BadFile, match="big-endian"):
        read(
            zip_with(tmp_path / "b.pt", tensor_pickle(), {"byteorder": b"big", "data/0": bytes(8)})
        )


def test_changed_bytes_of_a_zip_are_noticed(tmp_path):
    content = (FILES / "zip.pt").read_bytes()
    place = content.index((np.arange(1, 4, dtype=np.float32) / 8).tobytes())
    damaged = content[:place] + b"\xff" + content[place + 1 :]
    (tmp_path / "x.pt").write_bytes(damaged)
    with pytest.raises(BadFile, match="checksum"):
        for tensor in read(tmp_path / "x.pt").data["state_dict"].values():
            tensor.numpy()
