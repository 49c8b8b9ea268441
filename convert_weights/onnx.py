"""The tensors stored in an ONNX file, read without the onnx package (onnx.proto: ModelProto, GraphProto)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import numpy as np

from work.errors import UserError
from work.files import read_file

DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
MODEL_GRAPH, GRAPH_INITIALIZER = 7, 5
TENSOR_DIMS, TENSOR_DTYPE, TENSOR_NAME, TENSOR_RAW_DATA, TENSOR_DATA_LOCATION = 1, 2, 8, 9, 14
MAX_FILE = 64 << 20  # bytes; age-v1.onnx has 11 million
MAX_FIELDS = 1000  # of one message; the graph of age-v1.onnx has 169
MAX_DIMS = 8
MAX_VARINT = 10  # bytes of a 64 bit integer
Value = Union[int, memoryview]


def read_initializers(path: str | Path) -> dict[str, np.ndarray]:
    """Read every initializer of the graph, by name; raw data only, as all current exporters write it.

    Raises:
        UserError: not an ONNX file, cut short, or a tensor stored in a way that is not read here.
    """
    data = memoryview(read_file(path, MAX_FILE))
    try:
        graphs = [value for field, value in _fields(data) if field == MODEL_GRAPH]
        if not graphs:
            raise ValueError("it has no graph")
        tensors = dict(
            _tensor(value) for field, value in _fields(graphs[0]) if field == GRAPH_INITIALIZER
        )
    except ValueError as error:
        raise UserError(f"{path}: not an ONNX file that can be read here ({error})") from error
    if not tensors:
        raise UserError(f"{path}: holds no tensors")
    return tensors


def _fields(message: Value) -> Iterator[tuple[int, Value]]:
    """Walk over one protobuf message: (field number, integer or bytes)."""
    data, position = _bytes(message), 0
    for _ in range(MAX_FIELDS):
        if position == len(data):
            return
        key, position = _varint(data, position)
        wire = key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position + size > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[position : position + size]
        position += size
    raise ValueError(f"a message of more than {MAX_FIELDS} fields")


def _bytes(value: Value) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("an integer instead of bytes")
    return value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The integer at `position` and where it ends: 7 bits a byte, the lowest first."""
    value = 0
    for index, byte in enumerate(data[position : position + MAX_VARINT]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    raise ValueError(f"no integer at byte {position}")


def _tensor(message: Value) -> tuple[str, np.ndarray]:
    shape: list[int] = []
    name, code, raw = "", None, None
    for field, value in _fields(message):
        if field == TENSOR_DIMS:
            # Both ways of writing repeated integers are in use: one by one, and packed.
            shape += [value] if isinstance(value, int) else _unpack(value)
        elif field == TENSOR_DTYPE:
            code = value
        elif field == TENSOR_NAME:
            name = bytes(_bytes(value)).decode()
        elif field == TENSOR_RAW_DATA:
            raw = _bytes(value)
        elif field == TENSOR_DATA_LOCATION and value:
            raise ValueError(f"{name[:80] or 'a tensor'} is stored in another file")
    if len(shape) > MAX_DIMS or any(n >= 2**31 for n in shape):
        raise ValueError(f"tensor {name[:80]!r} is too large")
    dtype = np.dtype(DTYPES[code]).newbyteorder("<") if code in DTYPES else None
    if dtype is None or raw is None or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"tensor {name[:80]!r} of shape {shape} has no raw data of that size")
    return name, np.frombuffer(raw, dtype).reshape(shape)


def _unpack(data: memoryview) -> list[int]:
    values: list[int] = []
    position = 0
    while position < len(data) and len(values) <= MAX_DIMS:
        value, position = _varint(data, position)
        values.append(value)
    return values
