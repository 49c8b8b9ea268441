"""Convolutions and their gradients by oneDNN, the library of CPU kernels in every Paddle wheel.

Paddle uses it for static graphs only; its dygraph convolutions unfold the image and multiply matrices. We call
oneDNN's C functions directly (https://uxlfoundation.github.io/oneDNN, version 3, whose binary interface is stable), so
nothing is compiled. oneDNN chooses its own blocked layouts; each call reorders tensors into them and back.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Optional, Sequence

import paddle
from paddle import Tensor

# Constants of oneDNN's dnnl_types.h
CPU, BF16, F32, ANY_LAYOUT, DIRECT, FORWARD_TRAINING, IN_ORDER = 1, 2, 3, 1, 1, 64, 1
QUERY = {"src": 129, "weights": 131, "dst": 133}  # plus one: its gradient
ARGUMENT = {"src": 1, "dst": 17, "weights": 33, "bias": 41}
GRADIENT = 128  # added to an argument's number
FORWARD, DATA_GRADIENT, WEIGHT_GRADIENT = "forward", "backward_data", "backward_weights"
RESULT = {
    FORWARD: 2,
    DATA_GRADIENT: 0,
    WEIGHT_GRADIENT: 1,
}  # index among source, weights, destination
GRADIENTS = {FORWARD: (), DATA_GRADIENT: ("src", "dst"), WEIGHT_GRADIENT: ("weights", "dst")}


class OneDNNError(RuntimeError):
    """oneDNN cannot do this, or is not there at all; the message says why in one line."""


class Shape(NamedTuple):
    """A convolution: source [n, ic, ih, iw], weights [oc, ic / groups, kh, kw], destination [n, oc, oh, ow]."""

    source: tuple[int, ...]
    weights: tuple[int, ...]
    destination: tuple[int, ...]
    stride: int
    padding: tuple[int, int]  # above, left
    groups: int
    bias: bool
    half: bool = False  # the factors are rounded to bfloat16; sums and results stay float32


class _Argument(ctypes.Structure):
    _fields_ = [("number", c_int), ("memory", c_void_p)]


def _arguments(pairs: Iterable[tuple[int, c_void_p]]) -> ctypes.Array[_Argument]:
    """What a primitive works on: memory objects by the numbers of ARGUMENT."""
    listed = [_Argument(*pair) for pair in pairs]
    return (_Argument * len(listed))(*listed)


class _Library:
    """oneDNN's functions. The objects they make are never freed: a network sees few shapes."""

    def __init__(self):
        path = Path(paddle.sysconfig.get_lib()) / "libdnnl.so.3"
        try:
            self.dll = ctypes.CDLL(str(path))
            self.dll.dnnl_primitive_desc_query_md.restype = c_void_p
            self.dll.dnnl_memory_desc_get_size.restype = c_size_t
            self.engine = self.make("engine", CPU, c_size_t(0))
            self.stream = self.make("stream", self.engine, IN_ORDER)
        except (OSError, AttributeError) as error:
            raise OneDNNError(f"{path}: {error}") from error

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self.dll, f"dnnl_{name}")(*arguments)
        if status:
            raise OneDNNError(f"dnnl_{name} failed with status {status}")

    def make(self, what: str, *arguments: Any, how: str = "") -> c_void_p:
        made = c_void_p()
        self(f"{what}_create{how}", byref(made), *arguments)
        return made

    def any_layout(self, dims: Sequence[int], half: bool) -> c_void_p:
        """Describes a tensor in the layout that oneDNN finds best."""
        head = len(dims), _numbers(dims), BF16 if half else F32
        return self.make("memory_desc", *head, ANY_LAYOUT, how="_with_tag")

    def contiguous(self, dims: Sequence[int]) -> c_void_p:
        """Describes a contiguous float32 tensor."""
        strides = [1]
        for size in reversed(dims[1:]):
            strides.insert(0, strides[0] * size)
        head = len(dims), _numbers(dims), F32
        return self.make("memory_desc", *head, _numbers(strides), how="_with_strides")

    def memory(self, description: c_void_p) -> c_void_p:
        return self.make("memory", description, self.engine, None)


library = lru_cache(maxsize=1)(_Library)
_lock = threading.Lock()  # the memory objects of a prepared convolution serve one call at a time


def _numbers(values: Sequence[int]) -> ctypes.Array:
    return (c_int64 * 12)(*values)


class _Operand:
    """One tensor of a prepared convolution, in the caller's layout and in oneDNN's, and the reorder between the two."""

    def __init__(self, plain: c_void_p, own: c_void_p, result: bool):
        dnnl = library()
        self.result, self.same = result, bool(dnnl.dll.dnnl_memory_desc_equal(plain, own))
        self.plain = self.own = dnnl.memory(plain)
        if not self.same:
            self.own = dnnl.memory(own)
            self.floats = -(-dnnl.dll.dnnl_memory_desc_get_size(own) // 4)
            ends, memories = (plain, own), (self.plain, self.own)
            if result:
                ends, memories = ends[::-1], memories[::-1]
            way = dnnl.make(
                "reorder_primitive_desc", ends[0], dnnl.engine, ends[1], dnnl.engine, None
            )
            self.reorder = dnnl.make("primitive", way)
            self.pair = _arguments(zip((ARGUMENT["src"], ARGUMENT["dst"]), memories))

    def bind(self, tensor: Tensor) -> Optional[Tensor]:
        """Use a tensor's memory; returns the buffer, if there is one, that has to live until the call is over."""
        dnnl = library()
        dnnl("memory_set_data_handle", self.plain, c_void_p(tensor.data_ptr()))
        if self.same:
            return None
        buffer = paddle.empty([self.floats], "float32")
        dnnl("memory_set_data_handle", self.own, c_void_p(buffer.data_ptr()))
        return buffer

    def move(self) -> None:
        if not self.same:
            library()("primitive_execute", self.reorder, library().stream, 2, self.pair)


class _Prepared:
    """A convolution or one of its gradients for one shape."""

    def __init__(self, kind: str, shape: Shape):
        dnnl, weights = library(), shape.weights
        if shape.groups > 1:
            weights = (shape.groups, weights[0] // shape.groups, *weights[1:])
        dims = {"src": shape.source, "weights": weights, "dst": shape.destination}
        bias = dnnl.contiguous(shape.destination[1:2]) if shape.bias else None
        description = self._describe(kind, shape, dims, bias)
        self.primitive = dnnl.make("primitive", description)
        self.operands, arguments = [], []
        for i, name in enumerate(dims):
            gradient = name in GRADIENTS[kind]
            own = dnnl.dll.dnnl_primitive_desc_query_md(description, QUERY[name] + gradient, 0)
            plain = dnnl.contiguous(dims[name])
            self.operands.append(_Operand(plain, c_void_p(own), i == RESULT[kind]))
            number = ARGUMENT[name] + (GRADIENT if gradient else 0)
            arguments.append((number, self.operands[-1].own))
        self.bias = _Operand(bias, bias, False) if bias else None
        if self.bias:
            number = ARGUMENT["bias"] + (GRADIENT if kind == WEIGHT_GRADIENT else 0)
            arguments.append((number, self.bias.own))
        self.arguments = _arguments(arguments)

    @staticmethod
    def _describe(kind: str, shape: Shape, dims: dict, bias: Optional[c_void_p]) -> c_void_p:
        dnnl = library()
        near, steps = shape.padding, [shape.stride] * 2
        sizes = zip(shape.destination[2:], shape.weights[2:], shape.source[2:], near)
        # Rows and columns that the last stride does not reach count as negative padding at the far edge.
        far = [(out - 1) * shape.stride + k - size - before for out, k, size, before in sizes]
        geometry = [_numbers(v) for v in (steps, [0, 0], near, far)]

        def describe(kind: str, hint: Sequence[c_void_p], result: int) -> c_void_p:
            x, w, y = (
                dnnl.any_layout(d, shape.half and i != result) for i, d in enumerate(dims.values())
            )
            tensors = (x, w, y) if kind == DATA_GRADIENT else (x, w, bias, y)
            mode = [FORWARD_TRAINING] if kind == FORWARD else []
            return dnnl.make(
                f"convolution_{kind}_primitive_desc",
                *(dnnl.engine, *mode, DIRECT, *tensors, *geometry, *hint, None),
            )

        if kind == FORWARD:
            return describe(kind, [], RESULT[kind])
        # A gradient has to be told of a forward pass, whose tensors are all of one type here.
        return describe(kind, [describe(FORWARD, [], -1)], RESULT[kind])

    def run(self, tensors: Sequence[Tensor], bias: Optional[Tensor]) -> None:
        dnnl = library()
        buffers = [operand.bind(tensor) for operand, tensor in zip(self.operands, tensors)]
        if self.bias:
            assert bias is not None  # as the shape says
            self.bias.bind(bias)
        for operand in self.operands:
            if not operand.result:
                operand.move()
        dnnl("primitive_execute", self.primitive, dnnl.stream, len(self.arguments), self.arguments)
        for operand in self.operands:
            if operand.result:
                operand.move()
        dnnl("stream_wait", dnnl.stream)
        del buffers


_prepared = lru_cache(maxsize=None)(_Prepared)


def convolve(
    kind: str,
    shape: Shape,
    source: Tensor,
    weights: Tensor,
    destination: Tensor,
    bias: Optional[Tensor] = None,
) -> None:
    """Fill the tensor that `kind` names from the others.

    Args:
        kind: FORWARD fills `destination`; DATA_GRADIENT fills `source`, and WEIGHT_GRADIENT `weights` and `bias`, from
            the gradient in `destination`.
        shape: the shapes of the tensors, which are contiguous float32 tensors on the CPU, also where it says `half`.
        bias: [oc] if `shape.bias`; DATA_GRADIENT takes none.

    Raises:
        OneDNNError: oneDNN has no such convolution, or is not there.
    """
    with _lock:
        _prepared(kind, shape).run((source, weights, destination), bias)
