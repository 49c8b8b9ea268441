"""Gives damaged files to a reader: what is not a clear error within time and memory is a failure, and is kept."""

from __future__ import annotations

import random
import resource
import signal
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from tests.fuzz.mutations import mutate
from work.errors import UserError

SECONDS, WAIT = 5, 60  # of work, and of time on the clock: the machine may be busy
GROWTH = 300 << 20


@dataclass
class Target:
    """A reader and files that it takes.

    Attributes:
        read: opens a path and uses all of what is there; may raise UserError.
        seeds: good files, or good parts of one that `wrap` makes whole.
        wrap: puts what was damaged into a file whose lengths and checksums are right.
        words: pieces that the format is made of.
        prepare: writes the files that have to lie in the same folder.
    """

    name: str
    file: str
    read: Callable[[Path], Any]
    seeds: Callable[[], Sequence[bytes]]
    wrap: Callable[[bytes], bytes] = bytes
    words: Sequence[bytes] = field(default_factory=tuple)
    prepare: Callable[[Path], Any] = lambda folder: None


class Hang(BaseException):
    """A reader took too long; no reader may catch it."""


def fuzz(target: Target, seed: int, start: int, count: int, keep: Path) -> tuple[int, list[str]]:
    """Read `count` damaged files. Returns how many were refused, and a line per failure.

    File number i is the same in every run with the same seed. Failures are saved into `keep`.
    """
    seeds, refused, failures = target.seeds(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        target.prepare(path.parent)
        for number in range(start, start + count):
            rng = random.Random(f"{seed} {target.name} {number}")
            data = target.wrap(mutate(rng, seeds, target.words))
            path.write_bytes(data)
            problem = check(target.read, path)
            refused += problem is None
            if problem:
                keep.mkdir(parents=True, exist_ok=True)
                kept = keep / f"{target.name}-{seed}-{number}{path.suffix}"
                kept.write_bytes(data)
                failures.append(f"{target.name} {number}: {problem}; kept as {kept}")
    return refused, failures


def check(read: Callable[[Path], Any], path: Path) -> str | None:
    """Read one file. None: refused properly; "": read; else what is wrong."""
    try:
        with limits():
            read(path)
    except UserError as error:
        message = str(error)
        fine = "\n" not in message and str(path.parent) in message and len(message) < 2000
        return None if fine else f"unclear message: {message[:300]!r}"
    except (Exception, Hang) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({place.filename}:{place.lineno})"
    return ""


@contextmanager
def limits() -> Iterator[None]:
    """Hang is raised after SECONDS of work or WAIT seconds in all; GROWTH bytes more than now can be allocated."""

    def ring(number: int, _: Any) -> None:
        raise Hang(f"no end after {SECONDS} s of work" if number == signal.SIGPROF else "it waits")

    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, SECONDS),
        signal.SIGALRM: (signal.ITIMER_REAL, WAIT),
    }
    before = {number: signal.signal(number, ring) for number in timers}
    old = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GROWTH, old[1]))
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_AS, old)
