"""Up-sample, FIR filter, down-sample: the resampling of StyleGAN2 (Karras et al. 2020, appendix B).

The reference inserts zeros and filters them. The fast version never makes those zeros: each of the up x up output
phases sees its own taps of the filter, so one convolution with up * up output channels and a pixel shuffle give the
same numbers (polyphase decomposition). Any filter works, not only [1, 3, 3, 1].
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.models.ops.convolution import conv2d


def make_kernel(taps: Sequence[float] | np.ndarray) -> np.ndarray:
    """A 1-D or 2-D list of taps as a float32 FIR filter [kh, kw] that sums to one."""
    kernel = np.asarray(taps, dtype=np.float32)
    if kernel.ndim == 1:
        kernel = np.outer(kernel, kernel)
    return kernel / kernel.sum()


def upfirdn2d(
    x: Tensor, kernel, up: int = 1, down: int = 1, pad: Sequence[int] = (0, 0), impl: str = "auto"
) -> Tensor:
    """Insert zeros (`up`), pad, convolve with `kernel` (a true convolution: flipped), keep every `down`-th.

    Args:
        x: [N, C, H, W].
        kernel: filter [kh, kw], a numpy array or a tensor; used as it is, not normalised.
        up, down: integer factors of at least 1, the same for both axes.
        pad: (before, after) for both axes, or (x before, x after, y before, y after). Negative crops.
        impl: "auto" (polyphase) or "ref" (zeros inserted, as the formula reads).

    Returns:
        [N, C, H', W'] with H' = ceil((H * up + y before + y after - kh + 1) / down).

    Raises:
        ValueError: an unknown `impl`, or a result without pixels.
    """
    taps = np.asarray(kernel.numpy() if isinstance(kernel, Tensor) else kernel, dtype=np.float32)
    x0, x1, y0, y1 = (*pad, *pad) if len(pad) == 2 else pad
    height = x.shape[2] * up + y0 + y1 - taps.shape[0] + 1
    width = x.shape[3] * up + x0 + x1 - taps.shape[1] + 1
    if height < 1 or width < 1:
        raise ValueError(f"upfirdn2d: nothing is left of {x.shape} with up={up}, pad={tuple(pad)}")
    if impl == "ref":
        return _reference(x, taps, up, down, (x0, x1, y0, y1))
    if impl != "auto":
        raise ValueError(f'upfirdn2d: impl is "auto" or "ref", not {impl!r}')
    return _polyphase(x, taps, up, down, (x0, y0), (width, height))


def _pad_or_crop(x: Tensor, x0: int, x1: int, y0: int, y1: int) -> Tensor:
    if min(x0, x1, y0, y1) < 0:
        height, width = x.shape[2:]
        x = x[:, :, max(-y0, 0) : height - max(-y1, 0), max(-x0, 0) : width - max(-x1, 0)]
    pads = [max(p, 0) for p in (x0, x1, y0, y1)]
    return F.pad(x, pads) if any(pads) else x


def _reference(x: Tensor, taps: np.ndarray, up: int, down: int, pad: tuple) -> Tensor:
    n, c, h, w = x.shape
    if up > 1:
        x = x.reshape([n * c, h, 1, w, 1])
        x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1], data_format="NCDHW")
    x = _pad_or_crop(x.reshape([n * c, 1, h * up, w * up]), *pad)
    flipped = paddle.to_tensor(np.ascontiguousarray(taps[None, None, ::-1, ::-1]))
    x = F.conv2d(x, flipped.astype(x.dtype))[:, :, ::down, ::down]
    return x.reshape([n, c, *x.shape[2:]])


@cache
def _phase_plan(taps: int, up: int, before: int) -> tuple[int, int]:
    """The range of whole-pixel shifts d with a tap up * d + phase + taps - 1 - before inside the filter."""
    start = taps - 1 - before
    low = min(math.ceil((-phase - start) / up) for phase in range(up))
    high = max(math.floor((taps - 1 - phase - start) / up) for phase in range(up))
    return low, high


def phase_filters(taps: np.ndarray, up: int, before: tuple[int, int]) -> np.ndarray:
    """The filter of each output phase, [up * up, th, tw], for cross-correlation.

    out[up * i + phase] = sum over d of x[i - d] * taps[up * d + phase + size - 1 - before].
    """
    selectors = []
    for size, start in zip(taps.shape, (before[1], before[0])):
        low, high = _phase_plan(size, up, start)
        select = np.zeros((up, high - low + 1, size), np.float32)
        for phase in range(up):
            for shift in range(low, high + 1):
                tap = up * shift + phase + size - 1 - start
                if 0 <= tap < size:
                    select[phase, high - shift, tap] = 1
        selectors.append(select)
    filters = np.einsum("ath,bsw,hw->abts", selectors[0], selectors[1], taps)
    return filters.reshape(up * up, *filters.shape[2:])


@lru_cache(maxsize=64)
def _filters_on(taps: bytes, shape: tuple, up: int, before: tuple, dtype, place: str) -> Tensor:
    """Phase filters as a tensor [up * up, 1, th, tw]; cached, so that each is copied to a GPU once."""
    kernel = np.frombuffer(taps, np.float32).reshape(shape)
    return paddle.to_tensor(phase_filters(kernel, up, before)[:, None]).astype(dtype)


def _polyphase(x, taps, up, down, before, out_size) -> Tensor:
    n, c, h, w = x.shape
    pads = []
    for size, length, start, out in zip(taps.shape[::-1], (w, h), before, out_size):
        low, high = _phase_plan(size, up, start)
        pads += [high, math.ceil(out / up) - low - length]
    filters = _filters_on(taps.tobytes(), taps.shape, up, before, x.dtype, str(x.place))
    stride = down if up == 1 else 1
    if up == 1:  # one filter for every channel: depthwise keeps the layout
        weight = filters.expand([c, 1, *filters.shape[2:]])
        x = _pad_or_crop(x, *(min(p, 0) for p in pads))
        left, right, top, bottom = (max(p, 0) for p in pads)
        return conv2d(x, weight, None, stride, [top, bottom, left, right], groups=c)
    x = F.conv2d(_pad_or_crop(x, *pads).reshape([n * c, 1, h + pads[2] + pads[3], -1]), filters)
    x = F.pixel_shuffle(x, up)
    x = x.reshape([n, c, *x.shape[2:]])
    width, height = out_size
    return x if [height, width] == x.shape[2:] and down == 1 else x[:, :, :height:down, :width:down]
