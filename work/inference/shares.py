"""Progress callbacks: models report the share that is done; bars, logs and the web page show it."""

from __future__ import annotations

from typing import Callable

OnShare = Callable[[float], None]  # is told the share that is done, 0 to 1
LEARNING = 0.8  # of one item's time goes into learning its faces, where the model refines them


def ignore_progress(share: float) -> None:
    """The default callback: does nothing."""


def within(on_share: OnShare, start: float, end: float) -> OnShare:
    """A callback for one part of the work, from the share `start` to `end` of the whole."""
    return lambda share: on_share(start + (end - start) * share)


class LearnThenDraw:
    """The progress of one item, whose faces are encoded once and then drawn a number of times.

    A fast model never calls `learn`; drawing is then all of the work.
    """

    def __init__(self, on_share: OnShare, draws: int):
        self.on_share, self.draws = on_share, draws
        self.learned, self.drawn = 0.0, 0

    def learn(self, share: float) -> None:
        """This share of the learning is done."""
        self.learned = LEARNING * share
        self.on_share(self.learned)

    def draw(self) -> None:
        """One more drawing is done."""
        self.drawn += 1
        self.on_share(self.learned + (1 - self.learned) * min(1.0, self.drawn / self.draws))
