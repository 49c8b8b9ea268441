"""Compiled operators that make training and projecting faster on a CPU."""

from __future__ import annotations

import sys

import paddle

from work.models.ops import convolution, one_pass


def prepare() -> None:
    """Switch to the compiled operators on a CPU; if they cannot be used, say so in a line on stderr."""
    if paddle.device.get_device() != "cpu":
        return
    one_pass.load()
    if convolution.problem():
        print(f"note: slower, with Paddle's convolutions: {convolution.problem()}", file=sys.stderr)
