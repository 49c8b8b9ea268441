"""What the parts of the page do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

import gradio as gr

from work.configs.web_options import WebOptions
from work.errors import UserError
from work.web import layout
from work.web.sessions import Session, Sessions
from work.web.studio import Problem, Say, Studio
from work.web.texts import TEXTS, preferred, text
from work.web.worker import Worker

PROGRESS = gr.Progress()
STALE = 7200  # seconds; Gradio deletes what is older, for visitors whose leaving nobody noticed
QUIET: dict[str, Any] = {"api_name": False, "show_progress": "hidden", "queue": False}
# Photos come as Gradio's raw values: it would decode them before anybody looked at their size.
WORK: dict[str, Any] = {"api_name": False, "concurrency_limit": 1, "concurrency_id": "model"}


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
            self.parts = layout.layout()
            self._connect()

    def _connect(self) -> None:
        p = self.parts
        spoken = [p[key] for key in self._spoken()]
        language, age, status = p["language"], p["age"], p["status"]
        self.blocks.load(self.greet, None, [language, status, *spoken], **QUIET)
        language.input(self.translate, language, [status, *spoken], **QUIET)
        aged = [status, p["face"], p["pasted"], p["save_face"], p["save_pasted"]]
        p["photo"].change(
            self.open_photo,
            [p["photo"], language, age],
            [p["who"], *aged],
            preprocess=False,
            **WORK,
        )
        p["who"].input(self.choose, [p["who"], language, age], aged, **WORK)
        age.change(self.age, [language, age], aged, trigger_mode="always_last", **WORK)
        strip = [status, p["strip"], p["save_strip"]]
        p["strip_run"].click(self.strip, language, strip, **WORK)
        style = [p["reference"], p["what"], p["strength"], language, age]
        mixed = [status, p["mixed"], p["save_mixed"]]
        p["mix_run"].click(self.mix, style, mixed, preprocess=False, **WORK)
        film = [status, p["film"], p["save_film"]]
        p["film_run"].click(self.film, [p["seconds"], language], film, **WORK)
        # Last: Gradio 4 and 5 only notice that somebody waits for this if it is their last event.
        self.blocks.unload(self.leave)

    def _spoken(self) -> list[str]:
        """The parts whose words depend on the language."""
        return [key for key in self.parts if key in TEXTS]

    def greet(self, request: gr.Request) -> list[Any]:
        """On opening: the browser's language."""
        language = preferred(request.headers.get("accept-language", ""))
        return [language, *self.translate(language, request)]

    def translate(self, language: str, request: gr.Request) -> list[Any]:
        """All words, also what was said last."""
        key, values = self.sessions.get(request.session_hash).said
        parts = [(key, self.parts[key]) for key in self._spoken()]
        updates = [gr.update(**layout.words(key, part, language)) for key, part in parts]
        return [text(key, language, **values), *updates]

    def leave(self, request: gr.Request) -> None:
        """On closing: when what is being computed has ended, everything of the visitor is deleted."""
        self.worker.later(self.sessions.close, request.session_hash)

    def open_photo(
        self, photo, language: str, years: float, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """A new photo, or none any more."""

        def work(session: Session, say: Say) -> list[Any]:
            session.forget_photo()
            path = self._upload(photo)
            session.take("photo", path)
            if path is None:
                raise Problem("hello")
            count = self.studio.open_photo(session, path, say)
            choices = [(str(number + 1), number) for number in range(count)]
            who = gr.update(choices=choices, value=session.which, visible=count > 1)
            return [who, *self._aged(session, years, say)]

        return self._run(
            work, request, language, progress, [gr.update(visible=False), *NOTHING_AGED]
        )

    def choose(
        self, which: int, language: str, years: float, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """Another face of the photo."""

        def work(session: Session, say: Say) -> list[Any]:
            session.which = which if 0 <= which < len(session.quads) else session.which
            return self._aged(session, years, say)

        return self._run(work, request, language, progress, NOTHING_AGED)

    def age(self, language: str, years: float, request: gr.Request, progress=PROGRESS) -> list[Any]:
        """Another target age."""
        return self._run(
            lambda session, say: self._aged(session, years, say),
            request,
            language,
            progress,
            NOTHING_AGED,
        )

    def _aged(self, session: Session, years: float, say: Say) -> list[Any]:
        files = self.studio.age(session, min(max(years, 0), 100), say)
        session.said = "found", {"age": session.subjects[session.which].age}
        shown = [str(files["face"]), str(files["preview"])]
        return [None, *shown, saved(files["face"]), saved(files["pasted"])]

    def strip(self, language: str, request: gr.Request, progress=PROGRESS) -> list[Any]:
        """The face at all ages."""

        def work(session: Session, say: Say) -> list[Any]:
            cells, whole = self.studio.strip(session, say)
            return [None, [(str(path), age) for path, age in cells], saved(whole)]

        return self._run(work, request, language, progress, NOTHING, toast=True)

    def film(
        self, seconds: float, language: str, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """The face from 0 to 100 and back."""

        def work(session: Session, say: Say) -> list[Any]:
            film = self.studio.film(session, seconds, say)
            return [None, str(film), saved(film)]

        return self._run(work, request, language, progress, NOTHING, toast=True)

    def mix(
        self,
        reference,
        what: str,
        strength: float,
        language: str,
        years: float,
        request: gr.Request,
        progress=PROGRESS,
    ) -> list[Any]:
        """The face in the style of another photo."""

        def work(session: Session, say: Say) -> list[Any]:
            path = self._upload(reference)
            if path is None:
                raise Problem("need_reference")
            session.take("reference", path)
            mixed = self.studio.mix(session, path, years, what, strength, say)
            return [None, str(mixed), saved(mixed)]

        return self._run(work, request, language, progress, NOTHING, toast=True)

    def _upload(self, sent: Optional[dict]) -> Optional[Path]:
        """The file that a raw value names. What was not uploaded here is no photo."""
        if not sent:
            return None
        path = Path(sent["path"]).resolve()
        if self.root not in path.parents or not path.is_file():
            raise Problem("need_photo")
        return path

    def _run(
        self,
        work: Callable[[Session, Say], list[Any]],
        request: gr.Request,
        language: str,
        progress,
        nothing: list[Any],
        toast: bool = False,
    ) -> list[Any]:
        """Call `work` in the worker's thread and return its values; the status, which it leaves None, is filled in.

        A problem becomes the status (and a `toast`, where the status may be out of sight); all else `nothing`.
        """

        def say(share: float, key: str) -> None:
            progress(share, desc=text(key, language))

        def guarded() -> list[Any]:
            session = self.sessions.get(request.session_hash)
            try:
                values = work(session, say)
            except Problem as problem:
                values, session.said = nothing, (problem.key, problem.values)
            except UserError as error:
                values, session.said = nothing, ("failed", {"reason": str(error)})
            key, filled = session.said
            message = text(key, language, **filled)
            if toast and values is nothing:
                gr.Warning(message.replace("*", ""))
            at = 0 if len(values) < 6 else 1
            return [*values[:at], message, *values[at + 1 :]]

        return self.worker.run(guarded)


def saved(path: Path) -> Any:
    """A download button that works."""
    return gr.update(value=str(path), interactive=True, visible=True)


UNSAVED = gr.update(value=None, interactive=False, visible=False)
NOTHING_AGED = [None, None, None, UNSAVED, UNSAVED]
NOTHING = [None, None, UNSAVED]
