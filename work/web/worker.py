"""One thread for everything that computes, and the people who wait for it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

EACH = 6  # jobs of one visitor that may wait


class Busy(Exception):
    """Too many wait already."""


@dataclass(eq=False)
class Job:
    """What one visitor waits for."""

    who: str
    future: Future


class Worker:
    """Runs functions one after another in a thread of its own.

    Paddle keeps its device and its gradient switch per thread, and Gradio calls handlers from any of many.

    Args:
        limit: jobs that may wait, with the one that is running.
    """

    def __init__(self, limit: int):
        self.pool, self.limit, self.lock = ThreadPoolExecutor(1), limit, threading.Lock()
        self.jobs: list[Job] = []  # in their order; the first one is running

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call in the thread and wait."""
        return self.later(function, *arguments).result()

    def later(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call in the thread after what is waiting already, however much that is."""
        return self.pool.submit(function, *arguments)

    def submit(self, who: str, function: Callable[[], Any]) -> Job:
        """Call for a visitor, in the thread and in turn.

        Raises:
            Busy: as many as may wait do so, or this visitor alone fills the queue.
        """
        with self.lock:
            own = sum(job.who == who for job in self.jobs)
            if len(self.jobs) >= self.limit or own >= EACH:
                raise Busy
            job = Job(who, self.pool.submit(function))
            self.jobs.append(job)
        job.future.add_done_callback(lambda _: self._remove(job))
        return job

    def _remove(self, job: Job) -> None:
        with self.lock:
            self.jobs.remove(job)

    def ahead(self, job: Job) -> int:
        """How many people come before a job's visitor."""
        with self.lock:
            place = self.jobs.index(job) if job in self.jobs else 0
            return len({other.who for other in self.jobs[:place]} - {job.who})

    def drop(self, who: str) -> None:
        """Cancel what waits for a visitor who has left."""
        with self.lock:
            own = [job for job in self.jobs if job.who == who]
        for job in own:
            job.future.cancel()

    def close(self) -> None:
        """Drop what waits; return when the running call has ended."""
        self.pool.shutdown(wait=True, cancel_futures=True)
