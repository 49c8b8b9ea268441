"""The same function over many items, in several processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable

from work.errors import UserError
from work.runtime import setup, use_all_cores
from work.signals import not_interrupted, take_from_paddle

AHEAD = 4  # items that wait per worker, so that none is ever idle

_state: Any = None


def _start(make_state: Callable[..., Any], arguments: tuple, device: str | None) -> None:
    global _state
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        _state = _make(make_state, arguments, device)
    except Exception as error:  # the pool would only say that a worker is gone
        _state = error


def _make(make_state: Callable[..., Any], arguments: tuple, device: str | None) -> Any:
    if device:
        _set_one_thread(device)
    return make_state(*arguments)


def _set_one_thread(device: str) -> None:
    """Set up the device and one CPU thread, since there are as many workers as are wanted."""
    import paddle

    setup(device)
    paddle.base.core.set_num_threads(1)


def _leave_with_parent() -> None:
    """Exit with the parent: workers of a killed parent would go on with the items in the queue."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _call(function: Callable[[Any, Any], Any], item: Any) -> Any:
    if isinstance(_state, Exception):
        raise _state
    return function(_state, item)


def run_parallel(
    function: Callable[[Any, Any], Any],
    items: Sequence[Any],
    workers: int,
    make_state: Callable[..., Any],
    arguments: tuple = (),
    device: str | None = None,
) -> Iterator[Any]:
    """Yield `function(state, item)` for every item, in the order in which they are finished.

    Args:
        function, make_state: the workers (spawned processes) find them by name, so they cannot be lambdas.
        workers: processes; with 0 or 1 this process does the work.
        make_state: called once per process with `arguments`, to load networks and the like.
        device: where Paddle computes, with one CPU thread per worker; None for work without Paddle.

    Raises:
        UserError: a worker was killed, most often for lack of memory.
        Exception: what `make_state` or `function` raised.
    """
    if workers <= 1:
        try:
            state = _make(make_state, arguments, device)
            yield from (function(state, item) for item in items)
        finally:
            if device:
                use_all_cores()  # a notebook goes on in this process
        return
    if "paddle" in sys.modules:
        take_from_paddle()  # SIGTERM has to reach the `finally` below
    pool = ProcessPoolExecutor(
        min(workers, max(1, len(items))),
        multiprocessing.get_context("spawn"),
        _start,
        (make_state, arguments, device),
    )
    waiting: set[Future] = set()
    rest = iter(items)
    try:
        while True:
            for item in rest:
                with not_interrupted():  # a worker starts as soon as there is work for it
                    waiting.add(pool.submit(_call, function, item))
                if len(waiting) >= AHEAD * workers:
                    break
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, most often for lack of memory; try a smaller --num_threads"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
