"""The constant tensors in a TensorFlow Lite file, read without TensorFlow (schema.fbs: Model, SubGraph, Tensor).

The file is a FlatBuffer. A table starts with the signed offset back to its vtable; the vtable holds its own size, the
table's size and the offset of each field, as 16-bit numbers; strings, vectors and tables are stored as forward offsets.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from work.errors import UserError
from work.files import read_file

IDENTIFIER = b"TFL3"  # at byte 4
DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
MODEL_SUBGRAPHS, MODEL_BUFFERS = 2, 4
SUBGRAPH_TENSORS = 0
TENSOR_SHAPE, TENSOR_DTYPE, TENSOR_BUFFER, TENSOR_NAME = 0, 1, 2, 3
BUFFER_DATA = 0
MAX_FILE = 16 << 20  # bytes; selfie_segmentation.tflite has 250 thousand
MAX_LENGTH = 10_000  # of a vector of tables; that file's longest has 229
MAX_NAME = 80  # letters
MAX_DIMS = 8


def read_constants(path: str | Path) -> dict[str, np.ndarray]:
    """Read every tensor of the first graph that has data, by name, in TensorFlow's own order of axes.

    Raises:
        UserError: not a TensorFlow Lite file, cut short, or a tensor of a type that is not read here.
    """
    data = memoryview(read_file(path, MAX_FILE))
    try:
        if data[4:8] != IDENTIFIER:
            raise ValueError("it has another identifier")
        tensors = _constants(_Table(data, _ahead(data, 0)))
    except (ValueError, struct.error) as error:
        raise UserError(
            f"{path}: not a TensorFlow Lite file that can be read here ({error})"
        ) from error
    if not tensors:
        raise UserError(f"{path}: holds no tensors")
    return tensors


class _Table:
    """One table of the file: its fields by number."""

    def __init__(self, data: memoryview, start: int) -> None:
        self.data, self.start = data, start
        self.vtable = start - _number(data, "<i", start)
        self.fields = _number(data, "<H", self.vtable) // 2 - 2

    def place(self, field: int) -> int:
        """Where a field lies in the file; 0 if it has its default."""
        offset = 0
        if field < self.fields:
            offset = _number(self.data, "<H", self.vtable + 4 + 2 * field)
        return offset and self.start + offset

    def integer(self, field: int, layout: str) -> int:
        place = self.place(field)
        return _number(self.data, layout, place) if place else 0

    def vector(self, field: int, width: int, longest: int = MAX_FILE) -> memoryview:
        """The bytes of a vector or string with up to `longest` elements of `width` bytes."""
        place = self.place(field)
        if not place:
            return self.data[:0]
        start = _ahead(self.data, place)
        length = _number(self.data, "<I", start)
        if length > longest:
            raise ValueError(f"a list of {length} parts")
        if start + 4 + length * width > len(self.data):
            raise ValueError("cut short")
        return self.data[start + 4 : start + 4 + length * width]

    def tables(self, field: int) -> list[_Table]:
        distances = np.frombuffer(self.vector(field, 4, MAX_LENGTH), "<u4").tolist()
        first = _ahead(self.data, self.place(field)) + 4
        return [_Table(self.data, first + 4 * i + d) for i, d in enumerate(distances)]


def _constants(model: _Table) -> dict[str, np.ndarray]:
    graphs, buffers = model.tables(MODEL_SUBGRAPHS), model.tables(MODEL_BUFFERS)
    found = {}
    for tensor in graphs[0].tables(SUBGRAPH_TENSORS) if graphs else []:
        number = tensor.integer(TENSOR_BUFFER, "<I")
        if number >= len(buffers):
            raise ValueError(f"it has no buffer {number}")
        raw = buffers[number].vector(BUFFER_DATA, 1)
        if raw:
            name = bytes(tensor.vector(TENSOR_NAME, 1, MAX_NAME)).decode()
            found[name] = _array(name, tensor, raw)
    return found


def _array(name: str, tensor: _Table, raw: memoryview) -> np.ndarray:
    shape = np.frombuffer(tensor.vector(TENSOR_SHAPE, 4, MAX_DIMS), "<i4").tolist()
    code = tensor.integer(TENSOR_DTYPE, "<b")
    if code not in DTYPES or min(shape, default=0) < 0:
        raise ValueError(f"tensor {name!r} has type {code} and shape {shape}")
    dtype = np.dtype(DTYPES[code]).newbyteorder("<")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"tensor {name!r} of shape {shape} has {len(raw)} bytes")
    return np.frombuffer(raw, dtype).reshape(shape)


def _ahead(data: memoryview, place: int) -> int:
    return place + _number(data, "<I", place)


def _number(data: memoryview, layout: str, place: int) -> int:
    if place < 0:  # struct would count from the end
        raise ValueError("a place before the file's start")
    return int(struct.unpack_from(layout, data, place)[0])
