"""Ctrl-C and `kill` stop a run with one line, whatever it is computing."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, Optional


class Stopped(KeyboardInterrupt):
    """The process was told to stop by signal `number`."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """Whether a signal has come."""

    number: Optional[int] = None

    def receive(self, number: int, frame: Optional[FrameType]) -> None:
        """The signal handler: raises Stopped in the main thread.

        Paddle turns what is raised inside a backward pass into an OSError with a trace of 60 lines, so there
        Stopped is raised as soon as the pass has ended.
        """
        self.number = number
        caller = _caller_of_backward(frame)
        if caller is None:
            raise Stopped(number)

        def back_in_caller(*_: object) -> None:
            sys.settrace(None)
            raise Stopped(number)

        caller.f_trace = back_in_caller
        # Without a global one, Python asks no frame's own trace function.
        sys.settrace(lambda *_: None)


def _caller_of_backward(frame: Optional[FrameType]) -> Optional[FrameType]:
    """The frame that called Paddle's C++, if that has called a PyLayer's backward method in turn."""
    caller = None
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if (module, frame.f_code.co_name) == ("paddle.autograd.py_layer", "backward"):
            caller = frame.f_back
        frame = frame.f_back
    return caller


@contextmanager
def stoppable() -> Iterator[Stop]:
    """In this block, SIGINT and SIGTERM raise Stopped. One that the parent ignores (nohup, &) stays ignored."""
    stop, previous = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def not_interrupted() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C: their parent stops them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_from_paddle() -> None:
    """Take SIGTERM back from Paddle, which prints a C++ trace when it comes; call it once Paddle is imported."""
    import paddle

    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set a handler again
    handler = signal.getsignal(signal.SIGTERM)
    paddle.disable_signal_handler()  # which also drops Python's own
    if handler is not None:
        signal.signal(signal.SIGTERM, handler)
