"""What the page tells its visitors while something is computed, and if it cannot be."""

from __future__ import annotations

from typing import Callable

from work.errors import UserError
from work.inference.shares import OnShare, within

Say = Callable[[float, str], None]  # progress 0..1 and the key of a text


class Problem(UserError):
    """Something to tell the visitor: the key of a text and its values."""

    def __init__(self, key: str, **values: object):
        super().__init__(key)
        self.key, self.values = key, values


def learning(say: Say, what: str = "learning") -> OnShare:
    """Says how far a face is learned; `what` is the key of the words, e.g. "drafting"."""
    return within(lambda share: say(share, what), 0.1, 0.85)
