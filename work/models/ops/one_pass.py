"""Operators whose CPU kernels in Paddle are slow in training, compiled so that one pass over memory is enough.

Training calls `load()`, which compiles one_pass.cc and compares it with Paddle. Before that, on GPUs, and if it fails,
the same functions are plain Paddle.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import c_float, c_int64, c_void_p
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from work import compiler
from work.compiler import BuildError
from work.models.ops import raw

SOURCE = Path(__file__).with_name("one_pass.cc")
_loaded: dict[str, Any] = {}  # "library" once in use, or the "problem" with it


def load() -> None:
    """Compile (a second, once per machine) and check the operators; from then on they are used on the CPU.

    If that fails, a line on stderr says why, and plain Paddle stays in use.
    """
    if _loaded:
        return
    try:
        key = compiler.cache_key([SOURCE])
        path = compiler.compile_once(
            "one_pass", key, lambda output: compiler.compile_library(output, [SOURCE])
        )
        _loaded["library"] = ctypes.CDLL(str(path))
        error = check()
        if not error < raw.TOLERANCE:
            raise BuildError(f"they differ from plain Paddle by {error:.2g}")
    except (BuildError, OSError) as error:
        _loaded.clear()
        _loaded["problem"] = str(error)
        print(f"note: slower without compiled operators: {error}", file=sys.stderr)


def problem() -> Optional[str]:
    """Why `load` has failed, None if it has not."""
    return _loaded.get("problem")


def prelu(x: Tensor, slope: Tensor, impl: str = "auto") -> Tensor:
    """x where it is positive, else slope * x, for x [N, C, H, W] and slope [C].

    Args:
        impl: "auto" (compiled where `load` has succeeded and the tensors are float32 on a CPU) or "ref" (Paddle).
    """
    if not _in_use(impl, x, slope):
        return F.prelu(x, slope)
    return raw.apply(_PReLU, x, slope)


def activate(
    x: Tensor,
    scale: Tensor,
    noise: Optional[Tensor] = None,
    bias: Optional[Tensor] = None,
    slope: float = 1.0,
    impl: str = "auto",
) -> Tensor:
    """leaky_relu(x * scale + noise + bias).

    Args:
        x: [N, C, H, W].
        scale: [N, C].
        noise: [1 or N, 1, H, W].
        bias: [C].
        slope: of negative numbers; above 0.
        impl: as in `prelu`.
    """
    if _in_use(impl, x, scale, noise, bias):
        return raw.apply(_Activate, x, scale, noise, bias, slope)
    x = x * scale.unsqueeze([2, 3])
    x = x if noise is None else x + noise
    x = x if bias is None else x + bias.reshape([1, -1, 1, 1])
    return x if slope == 1 else F.leaky_relu(x, slope)


def spatial_mean(x: Tensor) -> Tensor:
    """The mean of each channel, [N, C, H, W] -> [N, C, 1, 1].

    On the CPU it is a product with a vector, whose gradient is fast; that of Paddle's mean goes pixel by pixel.
    """
    if not x.place.is_cpu_place():
        return x.mean(axis=[2, 3], keepdim=True)
    size = x.shape[2] * x.shape[3]
    return paddle.matmul(x.flatten(2), paddle.full([size, 1], 1 / size, x.dtype)).unsqueeze(3)


class PReLU(nn.PReLU):
    """Paddle's layer, computed by `prelu` above."""

    def forward(self, x: Tensor) -> Tensor:
        return prelu(x, self._weight)


def _in_use(impl: str, *tensors: Optional[Tensor]) -> bool:
    if impl not in ("auto", "ref"):
        raise ValueError(f'impl is "auto" or "ref", not {impl!r}')
    return impl == "auto" and "library" in _loaded and raw.fits(*tensors)


def _call(name: str, *arguments: Any) -> None:
    """Call a C function; its arguments are tensors, None, floats and sizes."""
    kept = [raw.contiguous(a) if isinstance(a, Tensor) else a for a in arguments]
    getattr(_loaded["library"], name)(*map(_as_c, kept))


def _as_c(value: Any) -> Any:
    if isinstance(value, Tensor):
        return c_void_p(value.data_ptr())
    if value is None:
        return c_void_p(None)
    return c_float(value) if isinstance(value, float) else c_int64(value)


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], x.shape[2] * x.shape[3]


class _PReLU(PyLayer):
    @staticmethod
    def compute(x, slope):
        y = raw.empty(x.shape)
        _call("sam_prelu", x, slope, y, *_sizes(x))
        return y

    @staticmethod
    def forward(ctx, x, slope):
        ctx.wanted = raw.wanted(x, slope)
        ctx.save_for_backward(x, slope)
        return _PReLU.compute(x, slope)

    @staticmethod
    def backward(ctx, gradient):
        x, slope = ctx.saved_tensor()
        gx = raw.empty(x.shape)
        gslope = raw.empty(slope.shape) if ctx.wanted[1] else None
        _call("sam_prelu_gradient", x, slope, gradient, gx, gslope, *_sizes(x))
        return (gx if ctx.wanted[0] else None), gslope


class _Activate(PyLayer):
    @staticmethod
    def compute(x, scale, noise, bias, slope):
        y = raw.empty(x.shape)
        step = _noise_step(noise)
        _call("sam_activate", x, scale, noise, bias, y, float(slope), step, *_sizes(x))
        return y

    @staticmethod
    def forward(ctx, x, scale, noise, bias, slope):
        y = _Activate.compute(x, scale, noise, bias, slope)
        ctx.slope, ctx.noise_step = float(slope), _noise_step(noise)
        ctx.noise_shape = None if noise is None else noise.shape
        given = [i for i, t in enumerate((x, scale, noise, bias)) if t is not None]
        ctx.given, ctx.wanted = given, raw.wanted(x, scale, noise, bias)
        ctx.save_for_backward(x, scale, y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        x, scale, y = ctx.saved_tensor()
        gx, gscale, gshift = (raw.empty(t.shape) for t in (x, scale, scale))
        gnoise = raw.empty(ctx.noise_shape) if ctx.wanted[2] else None
        numbers = (ctx.slope, ctx.noise_step, *_sizes(x))
        _call("sam_activate_gradient", x, scale, y, gradient, gx, gscale, gshift, gnoise, *numbers)
        grads = gx, gscale, gnoise, gshift.sum(axis=0)
        return tuple(grads[i] if ctx.wanted[i] else None for i in ctx.given)


def _noise_step(noise: Optional[Tensor]) -> int:
    return 0 if noise is None or noise.shape[0] == 1 else noise.shape[2] * noise.shape[3]


def check() -> float:
    """The largest difference between the compiled operators and Paddle's; see `raw.distance`."""
    x, scale, noise, bias, slope = raw.numbers([3, 5, 7, 9], [3, 5], [3, 1, 7, 9], [5], [5])
    cases = [
        (lambda impl: prelu(x, slope, impl), [x, slope]),
        (lambda impl: activate(x, scale, noise, bias, 0.2, impl), [x, scale, noise, bias]),
        (lambda impl: activate(x, scale, impl=impl), [x, scale]),
    ]
    return np.max(
        [raw.distance(lambda f=f: f("auto"), lambda f=f: f("ref"), inputs) for f, inputs in cases]
    )
