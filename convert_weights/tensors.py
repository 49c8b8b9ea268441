"""Tensors that stay in their file until somebody asks for the numbers.

A checkpoint of 2.3 GB is converted one tensor at a time: what the reader builds are `FileTensor`s,
which know their shape and where their bytes lie. Every size is checked against the file before
anything is allocated.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import List, Optional, Tuple, Union

import numpy as np

from work.errors import UserError
from work.files import open_regular

# bfloat16 has no numpy dtype: its bits are the upper half of a float32.
DTYPES = {
    name: np.dtype(name if name != "bfloat16" else "<u2")
    for name in "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool".split()
}
MAX_DIMS = 16
MAX_TENSORS = 20_000  # of one file; the state of a SAM training run has some 6,000


class BadFile(UserError):
    """The checkpoint file is damaged, hostile or of an unknown format; the message says which."""


class BinaryFile:
    """A file that is open for reading: every read is checked against its size.

    The handle stays open as long as a tensor refers to it, so a file that is replaced meanwhile
    (atomically, as this package does) does not mix old and new numbers.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        try:
            self.handle = open_regular(self.path)
        except OSError as error:
            raise BadFile(f"{self.path}: cannot be opened: {error.strerror}") from error
        self.size = self.handle.seek(0, 2)

    def read_at(self, offset: int, count: int) -> np.ndarray:
        """The `count` bytes at `offset`, as uint8. Raises BadFile where the file ends before."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise BadFile(
                f"{self.path}: is truncated: ends at {self.size}, should reach {offset + count}"
            )
        out = np.empty(count, np.uint8)
        self.handle.seek(offset)
        done = 0
        while done < count:
            try:
                got = self.handle.readinto(out.data[done:])  # type: ignore[attr-defined]
            except OSError as error:
                raise BadFile(f"{self.path}: cannot be read: {error.strerror}") from error
            if not got:
                raise BadFile(f"{self.path}: became shorter while it was read")
            done += got
        return out

    def close(self) -> None:
        self.handle.close()


class Blob:
    """Raw bytes in a file, or (`text`) UTF-8 whose characters are the bytes, as in old pickles."""

    def __init__(
        self,
        file: BinaryFile,
        offset: int,
        nbytes: int,
        text: bool = False,
        crc: Optional[int] = None,
    ):
        self.file, self.offset, self.nbytes, self.text, self.crc = file, offset, nbytes, text, crc

    def read(self, start: int, count: int) -> np.ndarray:
        """`count` bytes from `start`, uint8; the checksum is tested when the whole blob is read."""
        if self.text:
            try:
                decoded = (
                    bytes(self.file.read_at(self.offset, self.nbytes))
                    .decode("utf-8")
                    .encode("latin1")
                )
            except UnicodeError as error:
                raise BadFile(
                    f"{self.file.path}: damaged: array bytes are not latin1 text"
                ) from error
            if len(decoded) < start + count:
                raise BadFile(f"{self.file.path}: damaged: an array has {len(decoded)} bytes")
            return np.frombuffer(decoded, np.uint8, count, start)
        if start < 0 or start + count > self.nbytes:
            raise BadFile(
                f"{self.file.path}: damaged: a tensor reaches beyond its {self.nbytes} stored bytes"
            )
        out = self.file.read_at(self.offset + start, count)
        if self.crc is not None and count == self.nbytes and zlib.crc32(out.data) != self.crc:
            raise BadFile(
                f"{self.file.path}: damaged: wrong checksum of the tensor at {self.offset}"
            )
        return out


class Bytes:
    """Short bytes in memory, with the interface of Blob."""

    text = False

    def __init__(self, data: bytes):
        self.data, self.nbytes = data, len(data)

    def read(self, start: int, count: int) -> np.ndarray:
        if start + count > self.nbytes:
            raise BadFile(f"damaged: an array has {self.nbytes} bytes, not {start + count}")
        return np.frombuffer(self.data, np.uint8, count, start).copy()


class Storage:
    """Numbers that tensors are views of. Legacy files fill `blob` in after the tensors."""

    def __init__(
        self, dtype: str, numel: int, blob: Union[Blob, Bytes, None] = None, swap: bool = False
    ):
        self.dtype, self.numel, self.blob, self.swap = dtype, numel, blob, swap

    def read(self, start: int, count: int) -> np.ndarray:
        """Elements [start, start + count) in machine byte order; bfloat16 comes as float32."""
        if self.blob is None:
            raise BadFile("damaged: a tensor's numbers are missing from the file")
        dtype = DTYPES[self.dtype]
        raw = self.blob.read(start * dtype.itemsize, count * dtype.itemsize).view(dtype)
        if self.swap:
            raw = raw.byteswap()
        if self.dtype == "bfloat16":
            return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return raw


class FileTensor:
    """A strided view of a Storage, read on demand.

    Attributes:
        shape: tuple of ints; dtype: the stored dtype's name, for example "float16".
    """

    def __init__(self, storage: Storage, offset: object, shape: object, strides: object):
        self.storage = storage
        self.shape = sizes(shape, "shape")
        self.strides = sizes(strides, "strides")
        if not _is_size(offset) or len(self.shape) != len(self.strides):
            raise BadFile("malformed tensor: its offset, shape and strides do not fit together")
        self.offset = int(offset)  # type: ignore[call-overload]
        self.dtype = storage.dtype
        # The step of a dimension of length 1 is never taken, and may be any number in the file.
        self.strides = tuple(step if n > 1 else 0 for n, step in zip(self.shape, self.strides))
        self.size = count_numbers(self.shape)
        # Elements from the first to the last one that the view touches.
        self.reach = (
            sum((n - 1) * step for n, step in zip(self.shape, self.strides)) + 1 if self.size else 0
        )
        if self.offset + self.reach > storage.numel or self.size > storage.numel:
            raise BadFile(
                f"malformed tensor: {list(self.shape)} reaches beyond its {storage.numel} numbers"
            )

    def is_contiguous(self) -> bool:
        plain = contiguous_strides(self.shape)
        return all(n == 1 or step == want for n, step, want in zip(self.shape, self.strides, plain))

    @property
    def nbytes(self) -> int:
        return self.size * DTYPES[self.dtype].itemsize

    def numpy(self) -> np.ndarray:
        """The numbers, C-contiguous, in a fresh array of `shape`."""
        flat = self.storage.read(self.offset, self.reach)
        if self.size == 0 or self.is_contiguous():
            return flat.reshape(self.shape)
        steps = tuple(step * flat.itemsize for step in self.strides)
        return np.array(np.lib.stride_tricks.as_strided(flat, self.shape, steps), order="C")


def contiguous_strides(shape: object) -> Tuple[int, ...]:
    """C-order strides in elements. Raises BadFile for what is no shape."""
    strides, step = [], 1
    for length in reversed(sizes(shape, "shape")):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


def sizes(value: object, what: str) -> Tuple[int, ...]:
    """A shape, or strides, as a file has them. Raises BadFile unless it is a short list of small integers."""
    if (
        not isinstance(value, (tuple, list))
        or len(value) > MAX_DIMS
        or not all(map(_is_size, value))
    ):
        raise BadFile(f"malformed tensor: its {what} is not a short list of sizes")
    return tuple(value)


def count_numbers(shape: Tuple[int, ...]) -> int:
    """How many numbers a tensor has. Raises BadFile for an empty one that numpy cannot shape, such as (0, 2**60)."""
    if 0 in shape and math.prod(max(n, 1) for n in shape) > 2**32:
        raise BadFile(f"malformed tensor: {list(shape)} reaches beyond all memory")
    return math.prod(shape)


class JoinedTensor:
    """A tensor in slices: Paddle cuts those of more than 1 GiB in pickle protocols 2 and 3."""

    def __init__(self, parts: List[FileTensor], shape: object):
        self.parts, self.shape, self.dtype = parts, sizes(shape, "shape"), parts[0].dtype
        self.size = count_numbers(self.shape)
        if (
            any(part.dtype != self.dtype for part in parts)
            or sum(part.size for part in parts) != self.size
        ):
            raise BadFile("damaged: the slices of a large tensor do not fit together")

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    def numpy(self) -> np.ndarray:
        return np.concatenate([part.numpy().ravel() for part in self.parts]).reshape(self.shape)
