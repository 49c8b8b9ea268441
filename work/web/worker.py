"""One thread for everything that computes."""

from __future__ import annotations

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable


class Worker:
    """Runs functions one after another in a thread of its own.

    Paddle keeps its device and its gradient switch per thread, and Gradio calls handlers from any of many.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call in the thread and wait. It sees the caller's context variables: Gradio's progress needs them."""
        context = contextvars.copy_context()
        return self.pool.submit(context.run, function, *arguments).result()

    def later(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call in the thread after what is waiting already."""
        return self.pool.submit(function, *arguments)

    def close(self) -> None:
        """Drop what waits; return when the running call has ended."""
        self.pool.shutdown(wait=True, cancel_futures=True)
