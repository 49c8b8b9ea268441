"""Training options as plain data, free of the classes of PyTorch, numpy and argparse."""

from __future__ import annotations

from typing import Any, List

from convert_weights.allowed import Name
from convert_weights.tensors import BadFile, Blob, FileTensor
from convert_weights.unpickler import Builder

MAX_NODES = 100_000
MAX_NUMBERS = 10_000  # a tensor among the options becomes a list of numbers up to this size
MAX_TEXT = 1 << 20
ENTRY = 100  # bytes of text that count as one entry


def plain(value: Any) -> Any:
    """Only dict, list, str, int, float, bool and None; tuples and small tensors become lists.

    Raises:
        BadFile: for data that cannot be options, such as large tensors.
    """
    return _plain(value, [0])


def _plain(value: Any, count: List[int]) -> Any:
    count[0] += _weight(value)  # one object may be named many times, and is copied each time
    if count[0] > MAX_NODES:
        raise BadFile(f"refuses options of more than {MAX_NODES} entries")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {key: _plain(item, count) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, count) for item in value]
    if isinstance(value, FileTensor):
        if value.size > MAX_NUMBERS:
            raise BadFile(f"refuses a tensor of shape {list(value.shape)} among the options")
        return value.numpy().tolist()
    if isinstance(value, (Name, Builder)):
        return value.name
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, Blob) and value.nbytes <= MAX_TEXT:
        return bytes(value.file.read_at(value.offset, value.nbytes)).decode("utf-8", "replace")
    raise BadFile(f"refuses a {type(value).__name__} among the options")


def _weight(value: Any) -> int:
    if isinstance(value, FileTensor):
        return 1 + min(value.size, MAX_NUMBERS)
    if isinstance(value, Blob):
        return 1 + min(value.nbytes, MAX_TEXT) // ENTRY
    return 1 + (len(value) // ENTRY if isinstance(value, bytes) else 0)
