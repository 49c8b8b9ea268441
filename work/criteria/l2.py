"""The squared error of images."""

from __future__ import annotations

from paddle import Tensor


def l2_loss(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared difference of two tensors of one shape, to float32's rounding for any batch size.

    A sum of many squares in float32 comes out low, the more so the more there are (3e-5 for six images of 256 px), so
    they are added up in float64.
    """
    difference = a - b
    return (difference * difference).astype("float64").mean().astype("float32")
