"""The closed table of names that a checkpoint's pickle may use, and what each of them becomes here.

Nothing is imported by name. PyTorch's and numpy's tensors become `FileTensor`s, containers become
dict, list and tuple, and the few classes that training options hold (Namespace, paths, devices)
become plain data.
"""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Callable, Dict, Optional

import numpy as np

from convert_weights.tensors import (
    DTYPES,
    BadFile,
    Blob,
    Bytes,
    FileTensor,
    Storage,
    contiguous_strides,
)
from convert_weights.unpickler import SCALARS, Buildable, Builder

STORAGES = {
    "torch.DoubleStorage": "float64", "torch.FloatStorage": "float32", "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16", "torch.LongStorage": "int64", "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16", "torch.CharStorage": "int8", "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}  # fmt: skip
STORAGES.update(
    {name.replace("torch.", "torch.cuda."): dtype for name, dtype in list(STORAGES.items())}
)


class Name:
    """A global that is only mentioned, such as torch.float32: inert, never called."""

    def __init__(self, name: str):
        self.name = name


class StorageType(Name):
    def __init__(self, name: str):
        super().__init__(name)
        self.dtype = STORAGES[name]


class Record(Buildable):
    """An argparse.Namespace: its attributes, as a dict."""

    def __init__(self) -> None:
        self.items: Dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        if type(state) is not dict:
            raise BadFile("refuses a Namespace whose state is not a dictionary")
        self.items.update(state)


class Dtype(Buildable):
    """numpy.dtype(code) for plain numbers; its pickled state only adds the byte order."""

    def __init__(self, code: Any, *_: Any):
        names = {np.dtype(d).str[1:]: d for d in DTYPES if d != "bfloat16"}
        shown = code[:40] if isinstance(code, str) else type(code).__name__
        if not isinstance(code, str) or code.lstrip("<>=|") not in names:
            raise BadFile(f"refuses the numpy dtype {shown!r}: only plain numbers are allowed")
        self.dtype = names[code.lstrip("<>=|")]
        self.swap = code[:1] == ">"

    def set_state(self, state: Any) -> None:
        if (
            type(state) is not tuple
            or len(state) < 5
            or any(part is not None for part in state[2:5])
        ):
            raise BadFile("refuses a structured numpy dtype: only plain numbers are allowed")
        if state[1] not in ("<", ">", "=", "|"):
            raise BadFile("refuses a numpy dtype of unknown byte order")
        self.swap = state[1] == ">"


class NumpyArray(Buildable):
    """What numpy's `_reconstruct` makes; (version, shape, dtype, fortran order, data) fills it."""

    def __init__(self) -> None:
        self.tensor: Optional[FileTensor] = None

    def set_state(self, state: Any) -> None:
        if type(state) is not tuple or len(state) not in (4, 5):
            raise BadFile("refuses a numpy array of unknown layout")
        shape, dtype, fortran, data = state[-4:]
        self.tensor = numpy_tensor(data, dtype, shape, "F" if fortran else "C")


def numpy_tensor(data: Any, dtype: Any, shape: Any, order: Any) -> FileTensor:
    """A lazy tensor over pickled array bytes; the byte count must be what the shape says."""
    if isinstance(data, str):
        data = data.encode("latin1")
    if isinstance(data, bytes):
        data = Bytes(data)
    if (
        not isinstance(dtype, Dtype)
        or not isinstance(data, (Bytes, Blob))
        or type(shape) is not tuple
    ):
        raise BadFile("refuses a numpy array that is not plain numbers")
    itemsize = DTYPES[dtype.dtype].itemsize
    # A text blob has one or two bytes per character: this is an upper bound, reading it checks.
    storage = Storage(dtype.dtype, data.nbytes // itemsize, data, dtype.swap)
    strides = contiguous_strides(shape)
    if order == "F":
        strides = tuple(reversed(contiguous_strides(shape[::-1])))
    tensor = FileTensor(storage, 0, shape, strides)
    most = 2 * tensor.nbytes if data.text else tensor.nbytes
    if not tensor.nbytes <= data.nbytes <= most:
        raise BadFile(f"damaged: an array of shape {list(shape)} has {data.nbytes} bytes")
    return tensor


def _dict(factory: Any = None, items: Any = ()) -> dict:
    """OrderedDict(), OrderedDict([[k, v], ...]) and defaultdict(factory)."""
    if type(factory) in (list, tuple):
        items = factory
    out = {}
    for pair in items:
        if type(pair) not in (list, tuple) or len(pair) != 2 or not isinstance(pair[0], SCALARS):
            raise BadFile("refuses an OrderedDict of odd items")
        out[pair[0]] = pair[1]
    return out


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> FileTensor:
    if not isinstance(storage, Storage):
        raise BadFile("malformed tensor: it has no storage")
    return FileTensor(storage, offset, size, stride)


def _rebuild_parameter(data: Any, *_: Any) -> FileTensor:
    if not isinstance(data, FileTensor):
        raise BadFile("malformed parameter: it is not a tensor")
    return data


def _encode(value: Any, encoding: Any = "utf-8") -> Any:
    """_codecs.encode(text, "latin1"): how Python 3 pickles bytes in protocol 2."""
    if not isinstance(encoding, str) or encoding not in ("latin1", "latin-1"):
        raise BadFile("refuses _codecs.encode to anything but latin1")
    if isinstance(value, Blob) and value.text:
        return value
    if not isinstance(value, str):
        raise BadFile("refuses _codecs.encode of anything but text")
    return value.encode("latin1")


def _array(*_: Any) -> NumpyArray:
    return NumpyArray()


def _scalar(dtype: Any, data: Any = b"") -> FileTensor:
    return numpy_tensor(data, dtype, (), "C")


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> FileTensor:
    return numpy_tensor(data, dtype, shape, order)


def _sequence(kind: Callable[..., Any]) -> Callable[..., Any]:
    def build(items: Any = ()) -> Any:
        if type(items) not in (list, tuple):
            raise BadFile(f"refuses {kind.__name__}() of a {type(items).__name__}")
        return kind(items)

    return build


def _path(kind: type) -> Callable[..., str]:
    def build(*parts: Any) -> str:
        if not all(isinstance(part, str) for part in parts):
            raise BadFile("refuses a path that is not made of text")
        return str(kind(*parts))

    return build


def _device(kind: Any, index: Any = None) -> str:
    if not isinstance(kind, str) or type(index) not in (int, type(None)):
        raise BadFile("refuses a torch.device that is not a name and a number")
    return kind if index is None else f"{kind}:{index}"


def _reconstructor(kind: Any, *_: Any) -> Any:
    """copy_reg._reconstructor(Namespace, object, None): how Python 2 pickles a Namespace."""
    if not isinstance(kind, Builder) or kind.name != "argparse.Namespace":
        raise BadFile("refuses copy_reg._reconstructor of anything but argparse.Namespace")
    return Record()


def _table() -> Dict[str, Any]:
    calls: Dict[str, Callable[..., Any]] = {
        "collections.OrderedDict": _dict,
        "collections.defaultdict": _dict,
        "argparse.Namespace": Record,
        "copy_reg._reconstructor": _reconstructor,
        "_codecs.encode": _encode,
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
        "torch.Size": _sequence(tuple),
        "torch.device": _device,
        "numpy.dtype": Dtype,
    }
    for core in ("numpy.core", "numpy._core"):
        calls[f"{core}.multiarray._reconstruct"] = _array
        calls[f"{core}.multiarray.scalar"] = _scalar
        calls[f"{core}.numeric._frombuffer"] = _frombuffer
    for builtins in ("builtins", "__builtin__"):
        calls.update({f"{builtins}.tuple": _sequence(tuple), f"{builtins}.list": _sequence(list)})
        calls.update({f"{builtins}.{s}": _sequence(list) for s in ("set", "frozenset")})
        calls[f"{builtins}.dict"] = _dict
        calls[f"{builtins}.bytes"] = lambda: b""
    for module in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "PurePosixPath"):
            calls[f"{module}.{name}"] = _path(PurePosixPath)
        for name in ("WindowsPath", "PureWindowsPath"):
            calls[f"{module}.{name}"] = _path(PureWindowsPath)
    table: Dict[str, Any] = {name: Builder(name, build) for name, build in calls.items()}
    table.update({name: StorageType(name) for name in STORAGES})
    mentioned = ["numpy.ndarray"] + [
        f"{b}.{t}" for b in ("builtins", "__builtin__") for t in ("int", "float", "object")
    ]
    table.update({name: Name(name) for name in mentioned + [f"torch.{dtype}" for dtype in DTYPES]})
    return table


ALLOWED = _table()


def find(name: str) -> Any:
    """What a pickle's global stands for. Raises BadFile, with the name, for all other names."""
    if name not in ALLOWED:
        shown = "".join(c if c.isprintable() else "?" for c in name[:80])
        raise BadFile(
            f"refuses {shown}: a checkpoint must not run code, only hold tensors and plain data"
        )
    return ALLOWED[name]
