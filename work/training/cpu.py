"""What makes training and projecting faster on a CPU."""

from __future__ import annotations

import sys

import paddle

from work import runtime
from work.models.ops import convolution, one_pass


def prepare() -> None:
    """Keep freed memory and use the compiled operators, if the device is the CPU; see both functions.

    What cannot be used is said in a line on stderr, and plain Paddle does its work.
    """
    if paddle.device.get_device() != "cpu":
        return
    runtime.keep_freed_memory()
    one_pass.load()
    if convolution.problem():
        print(f"note: slower, with Paddle's convolutions: {convolution.problem()}", file=sys.stderr)
