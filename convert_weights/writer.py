"""Write a `.pdparams` file (or a PyTorch one) one tensor at a time.

The pickle is put together from opcodes, so that arrays stream from file to file. They are named
`numpy.core.multiarray._reconstruct`, which numpy 1 and 2 both know; `paddle.load` and this
package's own reader read the result.
"""

from __future__ import annotations

import pickle
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Mapping, Optional, Protocol, Tuple, Union

import numpy as np

from convert_weights.checksum import HashingFile, end_of_file
from work.errors import UserError
from work.files import atomic_write

CHUNK = 32 << 20
Output = Union[BinaryIO, HashingFile]


class Lazy(Protocol):
    """What can be written: a shape, and the numbers on demand."""

    shape: Tuple[int, ...]

    def numpy(self) -> np.ndarray: ...


def plain_pickle(value: Any) -> bytes:
    """Opcodes that build a plain value: a protocol 2 pickle without its header and its end."""
    return pickle.dumps(value, protocol=2)[2:-1]


def write_bytes(out: Output, array: np.ndarray) -> None:
    """The array's little-endian bytes in C order, in pieces: a transposed view is never copied whole."""
    if array.ndim > 1 and not array.flags.c_contiguous:
        rows = max(1, CHUNK * len(array) // max(array.nbytes, 1))
        pieces = [array[start : start + rows] for start in range(0, len(array), rows)]
    else:
        flat, step = array.reshape(-1), CHUNK // array.itemsize
        pieces = [flat[start : start + step] for start in range(0, array.size, step)]
    for piece in pieces:
        little = piece.astype(piece.dtype.newbyteorder("<"), copy=False)
        out.write(np.ascontiguousarray(little).data.cast("B"))


def _write_array(out: Output, array: np.ndarray) -> None:
    code, order = array.dtype.str[1:], "|" if array.dtype.itemsize == 1 else "<"
    out.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01")
    out.write(plain_pickle(tuple(array.shape)))
    out.write(
        b"cnumpy\ndtype\n" + plain_pickle(code) + b"\x89\x88\x87R(K\x03" + plain_pickle(order)
    )
    out.write(
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89\x8e" + struct.pack("<Q", array.nbytes)
    )
    write_bytes(out, array)
    out.write(b"tb")


def _array(value: Union[Lazy, np.ndarray]) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else value.numpy()


def write_pdparams(
    path: Union[str, Path],
    kind: str,
    state: Mapping[str, Union[Lazy, np.ndarray]],
    latent_avg: Optional[Union[Lazy, np.ndarray]] = None,
    opts: Optional[Any] = None,
    checksum: bool = False,
) -> None:
    """Write {"kind", "state_dict", "latent_avg", "opts"}; the last two only if given.

    With `checksum` a last entry holds one over all bytes before it, see checksum.py.

    The file appears whole under its name or not at all; an older one stays until then.

    Raises:
        UserError: if the folder cannot be written to or the disk is full.
    """
    with writing(path) as file:
        out = HashingFile(file) if checksum else file
        out.write(b"\x80\x04}(" + plain_pickle("kind") + plain_pickle(kind))
        out.write(plain_pickle("state_dict") + b"}(")
        for name in state:
            out.write(plain_pickle(name))
            _write_array(out, _array(state[name]))
        out.write(b"u")
        if latent_avg is not None:
            out.write(plain_pickle("latent_avg"))
            _write_array(out, _array(latent_avg))
        if opts is not None:
            out.write(plain_pickle("opts") + plain_pickle(opts))
        file.write(end_of_file(out.digest.hexdigest()) if isinstance(out, HashingFile) else b"u.")


@contextmanager
def writing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """A binary file that replaces `path` when the block succeeds; system errors in one line."""
    try:
        with atomic_write(path) as temporary, open(temporary, "wb") as out:
            yield out
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
