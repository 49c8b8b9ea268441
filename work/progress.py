"""The progress of a loop: a bar on a terminal, in a log one plain line every ten seconds."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Iterable,
    Iterator,
    Optional,
    Sized,
    TextIO,
    TypeVar,
    overload,
)

from work.errors import shown

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")
EVERY = 10.0  # seconds between two lines of a log
PATIENCE = 1.0  # seconds of silence before a line says what takes so long


@overload
def progress(
    items: None = None,
    total: Optional[float] = ...,
    unit: str = ...,
    label: str = ...,
    leave: bool = ...,
    every: float = ...,
    done: float = ...,
) -> Progress[None]: ...


@overload
def progress(
    items: Iterable[T],
    total: Optional[float] = ...,
    unit: str = ...,
    label: str = ...,
    leave: bool = ...,
    every: float = ...,
    done: float = ...,
) -> Progress[T]: ...


def progress(
    items: Optional[Iterable[Any]] = None,
    total: Optional[float] = None,
    unit: str = "img",
    label: str = "",
    leave: bool = True,
    every: float = EVERY,
    done: float = 0,
) -> Progress[Any]:
    """Show a loop's progress on stderr, and how long it took once it has ended.

    Either iterate over it, `for path in progress(paths): ...`, or count by hand,
    `with progress(total=9) as bar: bar.update()`.

    Args:
        total: how many there will be; len(items) by default.
        unit: what is counted, in the singular, e.g. "photo".
        label: what the loop does or works on.
        leave: False for a loop inside a loop: nothing is left on the terminal, and no last line in the log.
        every: seconds between two lines where stderr is no terminal.
        done: how many were there before; they took no time.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    return Progress(() if items is None else items, total, unit, label, leave, every, done)


def say(text: str, to: Optional[TextIO] = None) -> None:
    """Print a line, on stdout by default, at once and above any bar."""
    to = to or sys.stdout
    # Whoever shows a bar has imported tqdm. It is not imported here: while another thread imports Paddle, an import in
    # this one can wait for it forever, and it for this one.
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if bars is None:
        print(shown(text), file=to, flush=True)
    else:
        bars.write(shown(text), file=to)
        to.flush()


@contextmanager
def loading() -> Iterator[None]:
    """Say that networks are being loaded if this block takes longer than `PATIENCE`; once, for all such blocks."""
    timer = threading.Timer(PATIENCE, _say_loading)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@lru_cache(maxsize=1)
def _say_loading() -> None:
    say("loading the networks", to=sys.stderr)


class Progress(Generic[T]):
    """What `progress` returns. A thread keeps it moving, so that one slow item is not silence."""

    def __init__(
        self,
        items: Iterable[T],
        total: Optional[float],
        unit: str,
        label: str,
        leave: bool,
        every: float,
        done: float = 0,
    ):
        self.items, self.total, self.unit, self.leave, self.every = items, total, unit, leave, every
        self.label, self.done, self.note = shown(label), done, ""
        self.before = done
        self.bar: Optional[tqdm] = None
        self.ended = threading.Event()

    def __enter__(self) -> Progress[T]:
        self.start = time.monotonic()
        if _has_width(sys.stderr):
            from tqdm import tqdm

            self.bar = tqdm(
                total=self.total,
                initial=_tidy(self.before),
                unit=self.unit,
                desc=self.label or None,
                leave=False,
                smoothing=0,  # the rate since the start: steps of one photo differ too much
            )
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        if self.bar is not None:
            self.bar.close()
        if self.leave:
            self._print(f"{self._count()} in {spoken(time.monotonic() - self.start)}")

    def __iter__(self) -> Iterator[T]:
        with self:
            for item in self.items:
                yield item
                self.update()

    def update(self, n: float = 1) -> None:
        """Count `n` more."""
        self.done += n
        if self.bar is not None:
            self.bar.n = _tidy(self.done)
            self.bar.update(0)

    def reach(self, done: float) -> None:
        """Count up to `done`, which may be less than before: then nothing moves."""
        self.update(max(0, done - self.done))

    def set_note(self, text: str) -> None:
        """Show a few words after the numbers, e.g. the latest loss."""
        self.note = shown(text)
        if self.bar is not None:
            self.bar.set_postfix_str(self.note, refresh=False)

    def _tick(self) -> None:
        while not self.ended.wait(1.0 if self.bar is not None else self.every):
            if self.bar is not None:
                self.bar.refresh()
            else:
                self._print(self._line())

    def _line(self) -> str:
        seconds = time.monotonic() - self.start
        words = [self._count(), spoken(seconds)]
        now = self.done - self.before
        if self.total and now:
            words.append(f"about {spoken(seconds * (self.total - self.done) / now)} left")
        return ", ".join([*words, self.note] if self.note else words)

    def _count(self) -> str:
        total = f"/{_tidy(self.total)}" if self.total is not None else ""
        return f"{_tidy(self.done)}{total} {self.unit}"

    def _print(self, text: str) -> None:
        print(f"{self.label}: {text}" if self.label else text, file=sys.stderr, flush=True)


def _has_width(stream: TextIO) -> bool:
    """Whether a bar can be seen: a pseudo-terminal without a size (`docker run -t`, CI) would show nothing of it."""
    return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0


def _tidy(count: float) -> float:
    """A count with at most two decimals, and none if it is whole."""
    rounded = round(count, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def spoken(seconds: float) -> str:
    """A time for people: "0.4 s", "45 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
