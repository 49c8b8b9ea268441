"""Convolutions that oneDNN computes on the CPU, gradients included; everywhere else they are Paddle's own."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import Iterator, Optional, Sequence

import numpy as np
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from work.models.ops import onednn, raw
from work.models.ops.onednn import DATA_GRADIENT, FORWARD, WEIGHT_GRADIENT, OneDNNError, Shape

HALF_TOLERANCE = 0.02  # as raw.TOLERANCE, for factors of 8 bits
_half = False  # whether convolutions begun now take their factors in bfloat16; see `in_bfloat16`


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: int = 1,
    padding: int | Sequence[int] = 0,
    groups: int = 1,
    impl: str = "auto",
) -> Tensor:
    """Cross-correlate x [N, I, H, W] with weight [O, I / groups, kh, kw]; bias is [O].

    Args:
        padding: zeros on every side, or [above, below, left, right].
        impl: "auto" (oneDNN for float32 on a CPU if it passes its check, else Paddle), "onednn" or "ref" (Paddle).

    Returns:
        [N, O, H', W'] with H' = (H + above + below - kh) // stride + 1. Frozen tensors get no gradient. `paddle.grad`
        has to ask for all the others: a PyLayer cannot know that only some are wanted, and Paddle then raises an
        error. `backward()` has no such limit.

    Raises:
        OneDNNError: "onednn" was asked for and is not available.
    """
    if not _on_onednn(impl, x, weight, bias):
        if not isinstance(padding, int):
            x, padding = F.pad(x, [padding[i] for i in (2, 3, 0, 1)]), 0
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)
    n, _, height, width = x.shape
    out, _, kh, kw = weight.shape
    top, bottom, left, right = [padding] * 4 if isinstance(padding, int) else padding
    size = (height + top + bottom - kh) // stride + 1, (width + left + right - kw) // stride + 1
    destination, before = (n, out, *size), (top, left)
    ends = tuple(x.shape), tuple(weight.shape), destination
    shape = Shape(*ends, stride, before, groups, False, _half)
    return raw.apply(_Convolution, x, weight, bias, shape)


def conv2d_transpose(
    x: Tensor,
    weight: Tensor,
    stride: int = 1,
    groups: int = 1,
    impl: str = "auto",
    padding: int = 0,
    output_padding: int = 0,
) -> Tensor:
    """The transposed convolution of x [N, I, H, W] with weight [I, O / groups, kh, kw].

    `impl`, and the errors, are as in `conv2d`.

    Args:
        padding: pixels that are cut off on each side of the result.
        output_padding: pixels of these that are left below and on the right; less than the stride.

    Returns:
        [N, O, H', W'] with H' = (H - 1) stride + kh - 2 padding + output_padding.
    """
    if not _on_onednn(impl, x, weight):
        return F.conv2d_transpose(
            x,
            weight,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
        )
    n, _, height, width = x.shape
    _, out, kh, kw = weight.shape
    change = output_padding - 2 * padding
    size = (height - 1) * stride + kh + change, (width - 1) * stride + kw + change
    source, before = (n, out * groups, *size), (padding, padding)
    ends = source, tuple(weight.shape), tuple(x.shape)
    shape = Shape(*ends, stride, before, groups, False, _half)
    return raw.apply(_Transposed, x, weight, shape)


@contextmanager
def in_bfloat16() -> Iterator[None]:
    """Inside, oneDNN rounds the factors of convolutions to bfloat16, and those of their gradients later; sums, results
    and all other operators stay float32. For training on CPUs that multiply such numbers faster.

    Raises:
        OneDNNError: this CPU cannot, or its numbers are wrong.
    """
    if half_problem():
        raise OneDNNError(half_problem())
    with _rounded():
        yield


@contextmanager
def _rounded() -> Iterator[None]:
    global _half
    before, _half = _half, True
    try:
        yield
    finally:
        _half = before


class Conv2D(nn.Conv2D):
    """Paddle's layer, computed by `conv2d` above; zero padding and no dilation."""

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(
            x, self.weight, self.bias, self._stride[0], self._updated_padding[0], self._groups
        )


class _Convolution(PyLayer):
    @staticmethod
    def compute(x, weight, bias, shape):
        out = raw.empty(shape.destination)
        shape = shape._replace(bias=bias is not None)
        bias = None if bias is None else raw.contiguous(bias)
        onednn.convolve(FORWARD, shape, raw.contiguous(x), raw.contiguous(weight), out, bias)
        return out

    @staticmethod
    def forward(ctx, x, weight, bias, shape):
        ctx.shape = shape
        ctx.wanted = raw.wanted(x, weight, bias)
        ctx.arguments = 2 if bias is None else 3
        ctx.save_for_backward(x if ctx.wanted[1] or ctx.wanted[2] else None, weight)
        return _Convolution.compute(x, weight, bias, shape)

    @staticmethod
    def backward(ctx, gradient):
        (x, weight), shape = ctx.saved_tensor(), ctx.shape
        gradient, grads = raw.contiguous(gradient), [None, None, None]
        if ctx.wanted[0]:
            grads[0] = raw.empty(shape.source)
            onednn.convolve(DATA_GRADIENT, shape, grads[0], raw.contiguous(weight), gradient)
        if ctx.wanted[1] or ctx.wanted[2]:
            grads[1] = raw.empty(shape.weights)
            if ctx.wanted[2]:
                shape = shape._replace(bias=True)
                grads[2] = raw.empty([shape.destination[1]])
            onednn.convolve(WEIGHT_GRADIENT, shape, raw.contiguous(x), grads[1], gradient, grads[2])
        grads = [g if wanted else None for g, wanted in zip(grads, ctx.wanted)]
        return tuple(grads[: ctx.arguments])


class _Transposed(PyLayer):
    """Computed as the data gradient of the convolution that leads from its result to its input."""

    @staticmethod
    def compute(x, weight, shape):
        out = raw.empty(shape.source)
        onednn.convolve(DATA_GRADIENT, shape, out, raw.contiguous(weight), raw.contiguous(x))
        return out

    @staticmethod
    def forward(ctx, x, weight, shape):
        ctx.shape, ctx.wanted = shape, raw.wanted(x, weight)
        ctx.save_for_backward(x if ctx.wanted[1] else None, weight)
        return _Transposed.compute(x, weight, shape)

    @staticmethod
    def backward(ctx, gradient):
        (x, weight), shape = ctx.saved_tensor(), ctx.shape
        gradient, grads = raw.contiguous(gradient), [None, None]
        if ctx.wanted[0]:
            grads[0] = raw.empty(shape.destination)
            onednn.convolve(FORWARD, shape, gradient, raw.contiguous(weight), grads[0])
        if ctx.wanted[1]:
            grads[1] = raw.empty(shape.weights)
            onednn.convolve(WEIGHT_GRADIENT, shape, gradient, grads[1], raw.contiguous(x))
        return tuple(grads)


def _on_onednn(impl: str, *tensors: Optional[Tensor]) -> bool:
    if impl not in ("auto", "onednn", "ref"):
        raise ValueError(f'impl is "auto", "onednn" or "ref", not {impl!r}')
    if impl == "ref":
        return False
    if raw.fits(*tensors):
        return impl == "onednn" or problem() is None
    if impl == "onednn":
        raise OneDNNError("oneDNN is for float32 tensors on the CPU")
    return False


@lru_cache(maxsize=1)
def problem() -> Optional[str]:
    """Why oneDNN is not used on this machine; None if it gives Paddle's numbers. Tried once, on first use."""
    try:
        apart = check()
    except OneDNNError as error:
        return str(error)
    return None if apart < raw.TOLERANCE else f"oneDNN differs from plain Paddle by {apart:.2g}"


@lru_cache(maxsize=1)
def half_problem() -> Optional[str]:
    """Why convolutions in bfloat16 are not used on this machine; None if they are close to Paddle's."""
    if problem():
        return problem()
    try:
        with _rounded():
            apart = check()
    except OneDNNError as error:
        return f"this CPU has no convolutions in bfloat16 ({error})"
    return None if apart < HALF_TOLERANCE else f"bfloat16 differs from float32 by {apart:.2g}"


def check() -> float:
    """The largest difference between oneDNN's convolutions and Paddle's; see `raw.distance`. Raises OneDNNError."""
    x, dense, strided, bias = raw.numbers([3, 4, 9, 8], [6, 4, 3, 3], [4, 2, 3, 3], [6])
    cases = [
        (lambda impl: conv2d(x, dense, bias, 1, [2, 1, 0, 1], 1, impl), [x, dense, bias]),
        (lambda impl: conv2d(x, strided, None, 2, 1, 2, impl), [x, strided]),
        (lambda impl: conv2d_transpose(x, strided, 2, 2, impl), [x, strided]),
        (lambda impl: conv2d_transpose(x, strided, 2, 2, impl, 1, 1), [x, strided]),
    ]
    apart = [
        raw.distance(lambda f=f: f("onednn"), lambda f=f: f("ref"), inputs) for f, inputs in cases
    ]
    return float(np.max(apart))
