"""What makes training and projecting faster on a CPU."""

from __future__ import annotations

import paddle

from work import runtime
from work.models.ops import one_pass


def prepare() -> None:
    """Keep freed memory and use the compiled operators, if the device is the CPU; see both functions."""
    if paddle.device.get_device() == "cpu":
        runtime.keep_freed_memory()
        one_pass.load()
