"""Write a PyTorch zip file without PyTorch: torch.save's format since 1.6."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Dict, List, Tuple, Union

import numpy as np

from convert_weights.tensors import contiguous_strides
from convert_weights.writer import Lazy, plain_pickle, write_bytes, writing

STORAGE_NAMES = {
    "float32": "FloatStorage",
    "int64": "LongStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
}
ALIGNMENT = 64  # bytes, as torch.save aligns its storages for memory mapping


def _tensor(key: str, dtype: str, shape: Tuple[int, ...]) -> bytes:
    """Opcodes for _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())."""
    numel = int(np.prod(shape, dtype=np.int64))
    storage = b"(" + plain_pickle("storage") + f"ctorch\n{STORAGE_NAMES[dtype]}\n".encode()
    storage += plain_pickle(key) + plain_pickle("cpu") + plain_pickle(numel) + b"tQ"
    sizes = plain_pickle(tuple(shape)) + plain_pickle(contiguous_strides(tuple(shape)))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"K\x00"
        + sizes
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


class TensorPickle:
    """Encodes a nested dict of tensors and plain values; the tensors' numbers are written later."""

    def __init__(self) -> None:
        self.tensors: List[Union[Lazy, np.ndarray]] = []

    def encode(self, value: Any) -> bytes:
        """Opcodes for plain data, a tensor, or a `State` (an OrderedDict of tensors)."""
        if isinstance(value, State):
            items = b"".join(
                plain_pickle(name) + self.encode(tensor) for name, tensor in value.items()
            )
            return b"ccollections\nOrderedDict\n)R(" + items + b"u"
        if hasattr(value, "shape"):
            self.tensors.append(value)
            return _tensor(str(len(self.tensors) - 1), str(value.dtype), tuple(value.shape))
        return plain_pickle(value)

    def document(self, top: Union[State, Dict[str, Any]]) -> bytes:
        """The whole data.pkl: a State, or a plain dict of States, tensors and plain data."""
        if isinstance(top, State):
            return b"\x80\x02" + self.encode(top) + b"."
        items = b"".join(plain_pickle(name) + self.encode(value) for name, value in top.items())
        return b"\x80\x02}(" + items + b"u."


class State(Dict[str, Any]):
    """Tensors by name, in the order of a module's state_dict()."""


def write_torch(path: Union[str, Path], top: Union[State, Dict[str, Any]]) -> None:
    """Write what torch.load(path, weights_only=True) reads; one tensor at a time is in memory.

    Raises:
        UserError: if the folder cannot be written to or the disk is full.
    """
    pickled = TensorPickle()
    document = pickled.document(top)
    with writing(path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", np.frombuffer(document, np.uint8))
        _add(archive, "byteorder", np.frombuffer(b"little", np.uint8))
        for index, tensor in enumerate(pickled.tensors):
            _add(
                archive,
                f"data/{index}",
                tensor if isinstance(tensor, np.ndarray) else tensor.numpy(),
            )
        _add(archive, "version", np.frombuffer(b"3\n", np.uint8))


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """One stored entry whose bytes begin at a multiple of ALIGNMENT."""
    # Always dated 1980: the same weights give the same file.
    info = zipfile.ZipInfo(f"archive/{name}")
    info.file_size = array.nbytes
    assert archive.fp is not None
    start = archive.fp.tell() + 30 + len(info.filename) + 4
    padding = -start % ALIGNMENT
    info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    with archive.open(info, "w") as entry:
        write_bytes(entry, array)  # type: ignore[arg-type]
