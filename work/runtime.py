"""The device, the threads and the seed of a run."""

from __future__ import annotations

import ctypes
import os
import platform
import random
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from work.errors import UserError
from work.signals import take_from_paddle


def cpu_count() -> int:
    """Cores that this process may use; ranks on one machine share its cores."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (found or 1) // local_ranks())


@cache
def cpu_name() -> str:
    """The CPU's model, as the system tells it."""
    with suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def local_ranks() -> int:
    """How many processes the launcher has started on this machine."""
    return int(os.environ.get("PADDLE_LOCAL_SIZE", rank_and_world()[1]))


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are, as `paddle.distributed.launch` tells them."""
    return int(os.environ.get("PADDLE_TRAINER_ID", 0)), int(
        os.environ.get("PADDLE_TRAINERS_NUM", 1)
    )


def use_all_cores() -> None:
    """Let Paddle use all cores, unless the user has set a number: it starts with one."""
    import paddle

    if os.environ.get("OMP_NUM_THREADS", "1") == "1":
        paddle.base.core.set_num_threads(cpu_count())


def setup(device: str = "auto", seed: int | None = None) -> str:
    """Choose the device, let the CPU use all its cores, seed everything, and leave signals to Python.

    Args:
        device: "auto" (a GPU if Paddle sees one), "cpu", "gpu", "gpu:1", or another name Paddle knows.
        seed: for Python, numpy and Paddle; None leaves them as they are.

    Returns:
        The device's name as Paddle spells it.

    Raises:
        UserError: there is no such device.
    """
    import numpy as np
    import paddle

    take_from_paddle()
    use_all_cores()
    if device == "auto":
        gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
        device = "gpu" if gpus else "cpu"
    try:
        paddle.device.set_device(device)
    except (ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise UserError(
            f"--device {device}: this Paddle cannot use it ({reason}); try --device cpu"
        ) from error
    if seed is not None:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        paddle.seed(seed)
    if device == "cpu":
        keep_freed_memory()
    return paddle.device.get_device()


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensor; other C libraries are left alone.

    By default it returns large blocks to the system, and zeroing new ones takes longer than most operators.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, -1)
        libc.mallopt(top_pad, 64 << 20)
