"""The page: which control calls what, and what is said while people wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Optional, Tuple

import gradio as gr

from work.configs.web_options import WebOptions
from work.web import layout
from work.web.actions import Actions
from work.web.calls import UPLOADS
from work.web.sessions import Session, Sessions
from work.web.studio import Studio
from work.web.texts import TEXTS, preferred
from work.web.waiting import Waiting, Work, latest
from work.web.worker import Worker

STALE = 7200  # seconds; Gradio deletes what is older, for visitors whose leaving nobody noticed
# Values come as the browser sends them: Gradio would decode photos before anybody looked at their size.
QUIET: dict[str, Any] = {"api_name": False, "show_progress": "hidden", "preprocess": False}
Keys = Tuple[str, ...]  # of parts of the page
AGED: Keys = ("face", "pasted", "save_face", "save_pasted")
STRIP, FILM, MIXED = ("strip", "save_strip"), ("film", "save_film"), ("mixed", "save_mixed")
RECAST: Keys = ("recast", "save_recast")


class Page:
    """The Gradio page (`blocks`) over one studio.

    Args:
        root: the private folder that holds all files of all visitors.
        worker: the thread that computes.
    """

    def __init__(self, options: WebOptions, root: Path, worker: Worker):
        self.root, self.worker = root.resolve(), worker
        self.studio = worker.run(Studio, options)
        self.sessions = Sessions(self.root, options.max_sessions)
        self.waiting = Waiting(worker, self.sessions)
        self.limits = {
            "limit": options.max_upload_mb,
            "film_limit": options.max_film_mb,
            "film_seconds": options.max_film_seconds,
        }
        # The default fonts would come from another host.
        theme = gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        )
        with gr.Blocks(
            title="PaddleSAM",
            theme=theme,
            css=layout.CSS,
            analytics_enabled=False,
            delete_cache=(STALE // 10, STALE),
        ) as self.blocks:
            self.parts = layout.layout(self.limits)
            self.parts["quality"].value = options.quality
            self.parts["quality"].visible = self.studio.refines
            self.parts["recast_tab"].visible = self.studio.recasts
            self._connect()

    def _connect(self) -> None:
        p = self.parts
        words = [p["language"], *(p[key] for key in (*layout.PLACES, *self._spoken()))]
        self.blocks.load(self.greet, None, words, queue=False, **QUIET)
        p["language"].input(self.translate, p["language"], words[1:], queue=False, **QUIET)
        for key, age in layout.PRESETS.items():
            p[key].click(lambda age=age: age, None, p["age"], queue=False, **QUIET)
        do, look = Actions(self.studio), ["quality", "age"]
        for event, work, sent in (
            (p["photo"].change, do.open_photo, ["photo", *look]),
            (p["who"].input, do.choose, ["who", *look]),
        ):
            drafted = self._on(event, work, sent, "status", ("who", *AGED))
            self._on(drafted.then, do.refine, look, "status", AGED)
        self._on(p["quality"].input, do.refine, look, "status", AGED)
        moved = self._on(p["age"].change, do.age, look, "status", AGED, trigger_mode="always_last")
        self._on(moved.then, do.refine, look, "status", AGED)
        self._on(p["strip_run"].click, do.strip, ["quality"], "strip_said", STRIP)
        made = ["quality", "seconds", "film_what"]
        self._on(p["film_run"].click, do.film, made, "film_said", FILM)
        p["reference"].change(self.take_reference, p["reference"], None, queue=False, **QUIET)
        style = ["quality", "reference", "what", "strength", "age"]
        self._on(p["mix_run"].click, do.mix, style, "mix_said", MIXED)
        p["clip"].change(self.take_clip, p["clip"], None, queue=False, **QUIET)
        self._on(p["recast_run"].click, do.recast, ["clip", "age"], "recast_said", RECAST)
        p["recast_stop"].click(self.stop, None, None, queue=False, **QUIET)
        # Last: Gradio 4 and 5 only notice that somebody waits for this if it is their last event.
        self.blocks.unload(self.leave)

    def _on(
        self, event: Any, work: Work, sent: list[str], place: str, shown: Keys, **how: Any
    ) -> Any:
        """Let an action compute in the worker and change the parts `shown`; `place` says how far it is."""

        async def handle(request: gr.Request, language: str, *values: Any) -> AsyncIterator[Any]:
            session = self.sessions.get(visitor(request))
            session.language = language
            values = tuple(
                self._take(session, key, value) if key in UPLOADS else value
                for key, value in zip(sent, values)
            )
            if "clip" in sent:  # not when its turn comes: it may be stopped while it waits
                session.stopped.clear()
            async for message, changed in self.waiting.follow(
                session, visitor(request), work, values, place
            ):
                yield [message, *(changed(key) for key in shown)]

        inputs = [self.parts[key] for key in ("language", *sent)]
        outputs = [self.parts[key] for key in (place, *shown)]
        return event(handle, inputs, outputs, concurrency_limit=None, **how, **QUIET)

    @property
    def largest_upload(self) -> int:
        """Megabytes of the largest file that is taken."""
        kinds = ("limit", "film_limit") if self.studio.recasts else ("limit",)
        return max(self.limits[kind] for kind in kinds)

    def handlers(self) -> dict[int, list[str]]:
        """The names of the inputs of each handler that the browser may call, by Gradio's number."""
        names = {part._id: key for key, part in self.parts.items()}
        calls = {
            number: [names[part._id] for part in function.inputs]
            for number, function in self.blocks.fns.items()
            if ("unload",) != tuple(event for _, event in function.targets)
        }
        return calls

    def _spoken(self) -> list[str]:
        """The parts whose words depend on the language."""
        return [key for key in self.parts if key in TEXTS]

    def greet(self, request: gr.Request) -> list[Any]:
        """On opening: the browser's language."""
        language = preferred(request.headers.get("accept-language", ""))
        return [language, *self.translate(language, request)]

    def translate(self, language: str, request: gr.Request) -> list[Any]:
        """All words, also what was said last."""
        session = self.sessions.get(visitor(request))
        session.language = language
        messages = [latest(session, place) for place in layout.PLACES]
        parts = [(key, self.parts[key]) for key in self._spoken()]
        return [
            *messages,
            *(gr.update(**layout.words(key, part, language, self.limits)) for key, part in parts),
        ]

    def leave(self, request: gr.Request) -> None:
        """On closing: when what is being computed has ended, everything of the visitor is deleted."""
        self.stop(request)
        self.worker.drop(visitor(request))
        self.worker.later(self.sessions.close, visitor(request))

    def take_reference(self, reference: Any, request: gr.Request) -> None:
        """A photo whose style may be taken: from now on the file goes with the visitor."""
        self._take(self.sessions.get(visitor(request)), "reference", reference)

    def take_clip(self, clip: Any, request: gr.Request) -> None:
        """A film whose people may be aged: from now on the file goes with the visitor."""
        self._take(self.sessions.get(visitor(request)), "clip", clip)

    def stop(self, request: gr.Request) -> None:
        """The film that is being made is not wanted any more."""
        self.sessions.get(visitor(request)).stopped.set()

    def _take(self, session: Session, kind: str, sent: Optional[dict]) -> Optional[Path]:
        """The file that a raw value names, the session's from now on. What was not uploaded here is no photo."""
        path = Path(sent["path"]).resolve() if sent else None
        if path and (self.root not in path.parents or not path.is_file()):
            path = None
        session.take(kind, path)
        return path


def visitor(request: gr.Request) -> str:
    return request.session_hash or ""
