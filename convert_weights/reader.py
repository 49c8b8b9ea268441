"""One safe reader: PyTorch's zip and legacy files, Paddle's and numpy's pickles, safetensors.

No PyTorch, no Paddle, and no code from the file: see `unpickler.py` for what is refused. Tensors
stay in the file until they are asked for.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Union

from convert_weights.allowed import NumpyArray, Record, find
from convert_weights.tensors import (
    DTYPES,
    MAX_TENSORS,
    BadFile,
    BinaryFile,
    Blob,
    FileTensor,
    JoinedTensor,
    Storage,
    contiguous_strides,
)
from convert_weights.torch_files import LEGACY_MAGIC, read_legacy, read_zip
from convert_weights.unpickler import Unpickler

TORCH_ZIP, TORCH_LEGACY, PADDLE, SAFETENSORS = (
    "PyTorch zip",
    "PyTorch legacy",
    "Paddle pickle",
    "safetensors",
)
Tensor = Union[FileTensor, JoinedTensor]
SAFETENSORS_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
NOT_CHECKPOINTS = {
    b"<": "is a web page, not a checkpoint: the download failed, fetch the file again in a browser",
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run `git lfs pull`",
    b"\x1f\x8b": "is gzip-compressed: unpack it first",
}
MAX_DEPTH = 24
MAX_NODES = 100_000  # the SAM checkpoint at 1024 px has some 1,500
MAX_HEADER = 4 << 20  # bytes; 60,000 tensors
MAX_DIGITS = 20  # of an integer in the header


@dataclass
class Source:
    """A checkpoint file that was opened.

    Attributes:
        data: plain dicts, lists, tuples and scalars, with FileTensors in them.
        container: one of TORCH_ZIP, TORCH_LEGACY, PADDLE, SAFETENSORS.
    """

    path: Path
    container: str
    data: Any
    size: int


def read(path: Union[str, Path]) -> Source:
    """Open a checkpoint of any known format.

    Raises:
        BadFile: one line that names the file, if it is missing, truncated, hostile or unknown.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise BadFile(f"{path}: is a folder, not a checkpoint file")
    file = BinaryFile(path)
    try:
        container, data = _read(file)
        data = _tidy(data, 0, [0])
        if container == PADDLE and isinstance(data, dict):
            data = _join_slices(data)
        return Source(path, container, data, file.size)
    except BadFile as error:
        file.close()
        message = str(error)
        raise BadFile(message if message.startswith(str(path)) else f"{path}: {message}") from error
    except OSError as error:
        file.close()
        raise BadFile(f"{path}: cannot be read: {error.strerror}") from error


def _read(file: BinaryFile) -> Any:
    if file.size == 0:
        raise BadFile("is empty")
    head = bytes(file.read_at(0, min(file.size, 512)))
    if head[:4] == b"PK\x03\x04":
        return TORCH_ZIP, read_zip(file)
    if head[:1] == b"\x80":
        machine = Unpickler(file, 0, file.size, find)
        value = machine.load()
        if type(value) is int and value == LEGACY_MAGIC:
            return TORCH_LEGACY, read_legacy(file, machine.position)
        if machine.position != file.size:
            raise BadFile(f"damaged: {file.size - machine.position} unknown bytes after its end")
        return PADDLE, value
    if head[8:9] == b"{":
        return SAFETENSORS, _read_safetensors(file, int.from_bytes(head[:8], "little"))
    if head[257:262] == b"ustar":
        raise BadFile(
            "is a tar file of PyTorch 0.1: load and save it again with a PyTorch of 2018 to 2020"
        )
    for start, message in NOT_CHECKPOINTS.items():
        if head.lstrip().startswith(start):
            raise BadFile(message)
    raise BadFile("is not a PyTorch, Paddle or safetensors checkpoint, or its beginning is damaged")


def _read_safetensors(file: BinaryFile, length: int) -> Dict[str, Any]:
    if length > file.size - 8:
        raise BadFile(f"is truncated or damaged: its safetensors header should have {length} bytes")
    if length > MAX_HEADER:
        raise BadFile(f"refuses a safetensors header of more than {MAX_HEADER >> 20} MiB")
    text = bytes(file.read_at(8, length))
    too_many = f"refuses a safetensors header that is not the JSON of at most {MAX_TENSORS} tensors"
    if text.count(b"[") + text.count(b"{") > 4 * MAX_TENSORS:  # a tensor has three
        raise BadFile(too_many)
    try:
        header = json.loads(text, parse_int=_short_int)
    except (ValueError, RecursionError) as error:
        raise BadFile("damaged: its safetensors header is not JSON") from error
    if len(header) > MAX_TENSORS:
        raise BadFile(too_many)
    out: Dict[str, Any] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape, (begin, end) = (
                SAFETENSORS_DTYPES[entry["dtype"]],
                entry["shape"],
                entry["data_offsets"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f"damaged or unsupported safetensors entry {name[:80]!r}") from error
        if (
            type(begin) is not int
            or type(end) is not int
            or not 0 <= begin <= end <= file.size - 8 - length
        ):
            raise BadFile(f"is truncated or damaged: tensor {name[:80]!r} lies outside the file")
        blob = Blob(file, 8 + length + begin, end - begin)
        storage = Storage(dtype, (end - begin) // DTYPES[dtype].itemsize, blob)
        out[name] = FileTensor(storage, 0, shape, contiguous_strides(shape))
        if out[name].nbytes != end - begin:
            raise BadFile(f"damaged: tensor {name[:80]!r} of shape {shape} has {end - begin} bytes")
    return out


def _short_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(digits)


def _tidy(value: Any, depth: int, count: List[int]) -> Any:
    """Replace the unpickler's helper objects by what they hold, up to a depth and a number."""
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_NODES:
        raise BadFile(
            "refuses data that is nested too deeply or grows too large when it is unfolded"
        )
    if isinstance(value, NumpyArray):
        if value.tensor is None:
            raise BadFile("damaged: an array without data")
        return value.tensor
    if isinstance(value, Record):
        value = value.items
    walk: Callable[[Any], Any] = lambda item: _tidy(item, depth + 1, count)  # noqa: E731
    if isinstance(value, dict):
        return {key: walk(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        # paddle.save writes a tensor inside a container as the pair (name, array).
        if (
            type(value) is tuple
            and len(value) == 2
            and isinstance(value[0], str)
            and isinstance(value[1], NumpyArray)
        ):
            return walk(value[1])
        return type(value)(walk(item) for item in value)
    return value


def _join_slices(data: Dict[Any, Any]) -> Dict[Any, Any]:
    """Undo what paddle.save adds: the table of parameter names, and slices of large tensors."""
    out = {key: _join_slices(v) if isinstance(v, dict) else v for key, v in data.items()}
    out.pop("StructuredToParameterName@@", None)
    slices = out.pop("UnpackBigParamInfor@@", {})
    if not isinstance(slices, dict):
        raise BadFile("damaged: its list of sliced tensors is not a dictionary")
    for name, entry in slices.items():
        out[name] = _joined(entry, out)
    return out


def _joined(entry: Any, tensors: Dict[Any, Any]) -> JoinedTensor:
    """One large tensor from {"slices": [names], "OriginShape": shape}; takes its slices out of `tensors`."""
    keys = entry.get("slices") if isinstance(entry, dict) else None
    if not isinstance(keys, (list, tuple)) or not all(isinstance(key, str) for key in keys):
        raise BadFile("damaged: the slices of a large tensor are not a list of names")
    found = [tensors.pop(key, None) for key in keys]
    parts = [part for part in found if isinstance(part, FileTensor)]
    if not parts or len(parts) != len(found):
        raise BadFile("damaged: the slices of a large tensor are missing")
    return JoinedTensor(parts, entry.get("OriginShape"))
