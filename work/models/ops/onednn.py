"""Convolutions and their gradients by oneDNN, the library of CPU kernels in every Paddle wheel.

Paddle uses it for static graphs only; its dygraph convolutions unfold the image and multiply matrices. oneDNN's C
functions are called as they are (https://uxlfoundation.github.io/oneDNN, version 3, whose binary interface is
stable), so nothing is compiled. It chooses its own blocked layouts; tensors are reordered into them and back
within a call.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

import paddle
from paddle import Tensor

# Of oneDNN's dnnl_types.h.
CPU, F32, ANY_LAYOUT, DIRECT, FORWARD_TRAINING = 1, 3, 1, 1, 64
QUERY = {
    "src": 129,
    "diff_src": 130,
    "weights": 131,
    "diff_weights": 132,
    "dst": 133,
    "diff_dst": 134,
}
ARGUMENT = {"src": 1, "dst": 17, "weights": 33, "bias": 41}
DIFF = 128  # added to an argument's number: its gradient
FORWARD, DATA_GRADIENT, WEIGHT_GRADIENT = "forward", "data gradient", "weight gradient"
RESULT = {FORWARD: 2, DATA_GRADIENT: 0, WEIGHT_GRADIENT: 1}  # of source, weights, destination


class OneDNNError(RuntimeError):
    """oneDNN cannot be used here, or not for this; the message says why, in one line."""


class Shape(NamedTuple):
    """A convolution: source [n, ic, ih, iw], weights [oc, ic / groups, kh, kw], destination [n, oc, oh, ow]."""

    source: tuple[int, ...]
    weights: tuple[int, ...]
    destination: tuple[int, ...]
    stride: int
    padding: tuple[int, int]  # above, left
    groups: int
    bias: bool


class _Argument(ctypes.Structure):
    _fields_ = [("number", c_int), ("memory", c_void_p)]


class _Library:
    def __init__(self):
        path = Path(paddle.sysconfig.get_lib()) / "libdnnl.so.3"
        try:
            self.dll = ctypes.CDLL(str(path))
            self.dll.dnnl_primitive_desc_query_md.restype = c_void_p
            self.dll.dnnl_memory_desc_get_size.restype = c_size_t
            self.engine, self.stream = c_void_p(), c_void_p()
            self("engine_create", byref(self.engine), CPU, c_size_t(0))
            self("stream_create", byref(self.stream), self.engine, 1)
        except (OSError, AttributeError) as error:
            raise OneDNNError(f"{path}: {error}") from error

    def __call__(self, name: str, *arguments) -> None:
        status = getattr(self.dll, f"dnnl_{name}")(*arguments)
        if status:
            raise OneDNNError(f"dnnl_{name} failed with status {status}")


library = lru_cache(maxsize=1)(_Library)
_lock = threading.Lock()  # the memory objects of a prepared convolution serve one call at a time


def _numbers(values: Sequence[int]) -> ctypes.Array:
    return (c_int64 * 12)(*values)


def _description(dims: Sequence[int], plain: bool) -> c_void_p:
    made = c_void_p()
    if plain:
        strides = [1]
        for size in reversed(dims[1:]):
            strides.insert(0, strides[0] * size)
        create, layout = "memory_desc_create_with_strides", _numbers(strides)
    else:
        create, layout = "memory_desc_create_with_tag", ANY_LAYOUT
    library()(create, byref(made), len(dims), _numbers(dims), F32, layout)
    return made


class _Operand:
    """One tensor of a prepared convolution: its memory in the caller's layout and in oneDNN's, and the way between."""

    def __init__(self, plain: c_void_p, own: c_void_p, result: bool):
        dnnl = library()
        self.result, self.same = result, bool(dnnl.dll.dnnl_memory_desc_equal(plain, own))
        self.plain = self._memory(plain)
        self.own = self.plain if self.same else self._memory(own)
        if not self.same:
            self.floats = dnnl.dll.dnnl_memory_desc_get_size(own) // 4
            start, end = (own, plain) if result else (plain, own)
            description, self.reorder = c_void_p(), c_void_p()
            dnnl(
                "reorder_primitive_desc_create",
                byref(description),
                start,
                dnnl.engine,
                end,
                dnnl.engine,
                None,
            )
            dnnl("primitive_create", byref(self.reorder), description)
            pair = (self.own, self.plain) if result else (self.plain, self.own)
            self.pair = (_Argument * 2)((ARGUMENT["src"], pair[0]), (ARGUMENT["dst"], pair[1]))

    @staticmethod
    def _memory(description: c_void_p) -> c_void_p:
        made = c_void_p()
        library()("memory_create", byref(made), description, library().engine, None)
        return made

    def bind(self, tensor: Tensor) -> Optional[Tensor]:
        """Point at a tensor; the buffer that has to live until the call is over, if there is one."""
        dnnl = library()
        dnnl("memory_set_data_handle", self.plain, c_void_p(tensor.data_ptr()))
        if self.same:
            return None
        buffer = paddle.empty([self.floats])
        dnnl("memory_set_data_handle", self.own, c_void_p(buffer.data_ptr()))
        return buffer

    def move(self) -> None:
        if not self.same:
            library()("primitive_execute", self.reorder, library().stream, 2, self.pair)


class _Prepared:
    """A convolution or one of its gradients for one shape."""

    def __init__(self, kind: str, shape: Shape):
        dnnl = library()
        weights = shape.weights
        if shape.groups > 1:
            weights = (shape.groups, weights[0] // shape.groups, *weights[1:])
        dims = (shape.source, weights, shape.destination)
        names = ("src", "weights", "dst")
        bias = _description([shape.destination[1]], True) if shape.bias else None
        anywhere = [_description(d, False) for d in dims]
        # What a stride leaves over at the far edge is padding taken away.
        far = [
            (out - 1) * shape.stride + k - size - before
            for out, k, size, before in zip(
                shape.destination[2:], shape.weights[2:], shape.source[2:], shape.padding
            )
        ]
        geometry = [_numbers(v) for v in ([shape.stride] * 2, [0, 0], shape.padding, far)]
        description, forward = c_void_p(), c_void_p()
        x, w, y = anywhere
        dnnl(
            "convolution_forward_primitive_desc_create",
            byref(forward),
            dnnl.engine,
            FORWARD_TRAINING,
            DIRECT,
            x,
            w,
            bias,
            y,
            *geometry,
            None,
        )
        if kind == FORWARD:
            description, diff = forward, ()
        elif kind == DATA_GRADIENT:
            diff = ("src", "dst")
            dnnl(
                "convolution_backward_data_primitive_desc_create",
                byref(description),
                dnnl.engine,
                DIRECT,
                x,
                w,
                y,
                *geometry,
                forward,
                None,
            )
        else:
            diff = ("weights", "bias", "dst")
            dnnl(
                "convolution_backward_weights_primitive_desc_create",
                byref(description),
                dnnl.engine,
                DIRECT,
                x,
                w,
                bias,
                y,
                *geometry,
                forward,
                None,
            )
        self.primitive = c_void_p()
        dnnl("primitive_create", byref(self.primitive), description)
        self.operands, arguments = [], []
        for i, (name, d) in enumerate(zip(names, dims)):
            prefix = "diff_" if name in diff else ""
            own = c_void_p(
                dnnl.dll.dnnl_primitive_desc_query_md(description, QUERY[prefix + name], 0)
            )
            operand = _Operand(_description(d, True), own, i == RESULT[kind])
            self.operands.append(operand)
            arguments.append((ARGUMENT[name] + (DIFF if prefix else 0), operand.own))
        self.bias = None
        if shape.bias and kind != DATA_GRADIENT:
            self.bias = _Operand(bias, bias, False)
            arguments.append(
                (ARGUMENT["bias"] + (DIFF if kind == WEIGHT_GRADIENT else 0), self.bias.own)
            )
        self.arguments = (_Argument * len(arguments))(*arguments)

    def run(self, tensors: Sequence[Tensor], bias: Optional[Tensor]) -> None:
        dnnl = library()
        buffers = [operand.bind(tensor) for operand, tensor in zip(self.operands, tensors)]
        if self.bias:
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


_prepared = lru_cache(maxsize=2048)(_Prepared)


def convolve(
    kind: str,
    shape: Shape,
    source: Tensor,
    weights: Tensor,
    destination: Tensor,
    bias: Optional[Tensor] = None,
) -> None:
    """Compute the tensor that `kind` names from the others, in place.

    Args:
        kind: FORWARD fills `destination`; DATA_GRADIENT fills `source` and WEIGHT_GRADIENT `weights` and `bias`, from
            the gradient in `destination`.
        shape: what the tensors' shapes are; they are contiguous float32 tensors on the CPU.

    Raises:
        OneDNNError: oneDNN has no such convolution, or is not there.
    """
    with _lock:
        _prepared(kind, shape).run((source, weights, destination), bias)
