"""What a visitor is told and shown while the worker computes, and when it has ended."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any, Callable, Optional

import gradio as gr

from work.errors import UserError
from work.web.actions import Shown
from work.web.compare import show_message, show_progress, show_waiting
from work.web.problems import Problem, Say
from work.web.sessions import Session, Sessions
from work.web.worker import Busy, Worker

LOOK = 0.25  # seconds between two looks at how far something is
Work = Callable[..., Optional[Shown]]  # (session, say, values...) -> what changes; None: nothing


class Waiting:
    """Lets the worker compute for the visitors of `sessions`."""

    def __init__(self, worker: Worker, sessions: Sessions):
        self.worker, self.sessions = worker, sessions

    async def follow(
        self, session: Session, who: str, work: Work, values: tuple, place: str
    ) -> AsyncIterator[tuple[str, Callable[[str], Any]]]:
        """Let the worker compute; what to say until it has ended, and how each part changes.

        A problem is said, and the parts are emptied.
        """
        now: tuple[float, str] = (-1.0, "")

        def say(share: float, key: str) -> None:
            nonlocal now
            now = share, key

        def compute() -> Optional[Shown]:
            say(0.0, "reading")
            self.sessions.make_room(session)
            return self._guarded(session, say, work, values, place)

        try:
            job = self.worker.submit(who, compute)
        except Busy:
            session.said[place] = "busy", {}
            yield show_message("busy", session.language), _keep
            return
        ended, before = asyncio.wrap_future(job.future), ""
        while not ended.done():
            share, key = now
            if share < 0:
                message = show_waiting(self.worker.ahead(job), session.language)
            else:
                message = show_progress(key, share, session.language)
            if message != before:
                yield message, _keep
                before = message
            await asyncio.wait([ended], timeout=LOOK)
        if not ended.cancelled():
            shown = ended.result()
            changed = _keep if shown is None else lambda key: shown.get(key, _emptied(key))
            yield latest(session, place), changed

    def _guarded(
        self, session: Session, say: Say, work: Work, values: tuple, place: str
    ) -> Optional[Shown]:
        try:
            shown = work(session, say, *values)
            if place != "status":
                session.said.pop(place, None)  # the result speaks for itself
            return shown
        except Problem as problem:
            session.said[place] = problem.key, problem.values
            if "reason" in problem.values:  # for the log: not all languages tell it
                print(f"error: {problem.values['reason']}", file=sys.stderr, flush=True)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            session.said[place] = "failed", {"reason": str(error)}
        except Exception:  # a mistake of ours: all of it for the log, a word for the visitor
            traceback.print_exc()
            session.said[place] = "failed", {"reason": "a mistake of the page, see its log"}
        return {}


def latest(session: Session, place: str) -> str:
    """What was said last in a place."""
    if place not in session.said:
        return ""
    key, values = session.said[place]
    return show_message(key, session.language, **values)


def _keep(key: str) -> Any:
    return gr.update()


def _emptied(key: str) -> Any:
    """What a part shows when there is nothing to show."""
    if key.startswith("save_"):
        return gr.update(value=None, interactive=False, visible=False)
    if key in ("face", "pasted", "mixed"):
        return ""
    return gr.update(visible=False) if key == "who" else None
