"""The tensors stored in an ONNX file, read without the onnx package (onnx.proto: ModelProto, GraphProto)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from work.errors import UserError

DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
MODEL_GRAPH, GRAPH_INITIALIZER = 7, 5
TENSOR_DIMS, TENSOR_DTYPE, TENSOR_NAME, TENSOR_RAW_DATA, TENSOR_DATA_LOCATION = 1, 2, 8, 9, 14


def read_initializers(path: str | Path) -> dict[str, np.ndarray]:
    """Read every initializer of the graph, by name; raw data only, as all current exporters write it.

    Raises:
        UserError: not an ONNX file, cut short, or a tensor stored in a way that is not read here.
    """
    try:
        data = memoryview(Path(path).read_bytes())
        graphs = [value for field, value in _fields(data) if field == MODEL_GRAPH]
        tensors = dict(
            _tensor(value) for field, value in _fields(graphs[0]) if field == GRAPH_INITIALIZER
        )
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not an ONNX file that can be read here ({error})") from error
    if not tensors:
        raise UserError(f"{path}: holds no tensors")
    return tensors


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """Walk over one protobuf message: (field number, integer or bytes)."""
    position = 0
    while position < len(data):
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


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _tensor(data: Any) -> tuple[str, np.ndarray]:
    shape: list[int] = []
    name, dtype, raw = "", None, None
    for field, value in _fields(data):
        if field == TENSOR_DIMS:
            # Both ways of writing repeated integers are in use: one by one, and packed.
            shape += [value] if isinstance(value, int) else _unpack(value)
        elif field == TENSOR_DTYPE:
            dtype = np.dtype(DTYPES[value]).newbyteorder("<")
        elif field == TENSOR_NAME:
            name = bytes(value).decode()
        elif field == TENSOR_RAW_DATA:
            raw = value
        elif field == TENSOR_DATA_LOCATION and value:
            raise ValueError(f"{name or 'a tensor'} is stored in another file")
    if dtype is None or raw is None or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"tensor {name!r} of shape {shape} has no raw data of that size")
    return name, np.frombuffer(raw, dtype).reshape(shape)


def _unpack(data: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values
