"""What makes training and projecting faster on a CPU."""

from __future__ import annotations

import sys

import paddle

from work.models.ops import convolution, one_pass


def prepare() -> None:
    """Use the compiled operators, if the device is the CPU; a line on stderr says where plain Paddle computes."""
    if paddle.device.get_device() != "cpu":
        return
    one_pass.load()
    if convolution.problem():
        print(f"note: slower, with Paddle's convolutions: {convolution.problem()}", file=sys.stderr)
