"""What the parts of the page do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

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
Keys = Tuple[str, ...]  # of parts of the page
Shown = Dict[str, Any]  # their values
AGED: Keys = ("face", "pasted", "save_face", "save_pasted")
STRIP, FILM, MIXED = ("strip", "save_strip"), ("film", "save_film"), ("mixed", "save_mixed")


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
        self._on(
            p["photo"].change,
            self.open_photo,
            ["photo", "language", "age"],
            ("who", *AGED),
            preprocess=False,
        )
        self._on(p["who"].input, self.choose, ["who", "language", "age"], AGED)
        self._on(age.change, self.age, ["language", "age"], AGED, trigger_mode="always_last")
        self._on(p["strip_run"].click, self.strip, ["language"], STRIP)
        style = ["reference", "what", "strength", "language", "age"]
        self._on(p["mix_run"].click, self.mix, style, MIXED, preprocess=False)
        self._on(p["film_run"].click, self.film, ["seconds", "language"], FILM)
        # Last: Gradio 4 and 5 only notice that somebody waits for this if it is their last event.
        self.blocks.unload(self.leave)

    def _on(
        self, event: Any, handler: Callable[..., Any], sent: list[str], shown: Keys, **how: Any
    ) -> None:
        """Let a handler of this class compute in the worker; it returns the status and the parts `shown`."""
        parts = self.parts
        outputs = [parts["status"], *(parts[key] for key in shown)]
        event(handler, [parts[key] for key in sent], outputs, **how, **WORK)

    def _spoken(self) -> list[str]:
        """The parts whose words depend on the language."""
        return [key for key in self.parts if key in TEXTS]

    def greet(self, request: gr.Request) -> list[Any]:
        """On opening: the browser's language."""
        language = preferred(request.headers.get("accept-language", ""))
        return [language, *self.translate(language, request)]

    def translate(self, language: str, request: gr.Request) -> list[Any]:
        """All words, also what was said last."""
        key, values = self.sessions.get(_visitor(request)).said
        parts = [(key, self.parts[key]) for key in self._spoken()]
        updates = [gr.update(**layout.words(key, part, language)) for key, part in parts]
        return [text(key, language, **values), *updates]

    def leave(self, request: gr.Request) -> None:
        """On closing: when what is being computed has ended, everything of the visitor is deleted."""
        self.worker.later(self.sessions.close, _visitor(request))

    def open_photo(
        self, photo, language: str, years: float, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """A new photo, or none any more."""

        def work(session: Session, say: Say) -> Shown:
            session.forget_photo()
            path = self._upload(photo)
            session.take("photo", path)
            if path is None:
                raise Problem("hello")
            count = self.studio.open_photo(session, path, say)
            choices = [(str(number + 1), number) for number in range(count)]
            who = gr.update(choices=choices, value=session.which, visible=count > 1)
            return {"who": who, **self._aged(session, years, say)}

        return self._run(work, request, language, progress, ("who", *AGED))

    def choose(
        self, which: int, language: str, years: float, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """Another face of the photo."""

        def work(session: Session, say: Say) -> Shown:
            session.which = which if 0 <= which < len(session.faces) else session.which
            return self._aged(session, years, say)

        return self._run(work, request, language, progress, AGED)

    def age(self, language: str, years: float, request: gr.Request, progress=PROGRESS) -> list[Any]:
        """Another target age."""
        return self._run(
            lambda session, say: self._aged(session, years, say),
            request,
            language,
            progress,
            AGED,
        )

    def _aged(self, session: Session, years: float, say: Say) -> Shown:
        files = self.studio.age(session, min(max(years, 0), 100), say)
        session.said = "found", {"age": session.subjects[session.which].age}
        return {
            "face": str(files["face"]),
            "pasted": str(files["preview"]),
            "save_face": offer(files["face"]),
            "save_pasted": offer(files["pasted"]),
        }

    def strip(self, language: str, request: gr.Request, progress=PROGRESS) -> list[Any]:
        """The face at all ages."""

        def work(session: Session, say: Say) -> Shown:
            cells, whole = self.studio.strip(session, say)
            return {"strip": [(str(path), age) for path, age in cells], "save_strip": offer(whole)}

        return self._run(work, request, language, progress, STRIP, toast=True)

    def film(
        self, seconds: float, language: str, request: gr.Request, progress=PROGRESS
    ) -> list[Any]:
        """The face from 0 to 100 and back."""

        def work(session: Session, say: Say) -> Shown:
            film = self.studio.film(session, seconds, say)
            return {"film": str(film), "save_film": offer(film)}

        return self._run(work, request, language, progress, FILM, toast=True)

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

        def work(session: Session, say: Say) -> Shown:
            path = self._upload(reference)
            if path is None:
                raise Problem("need_reference")
            session.take("reference", path)
            mixed = self.studio.mix(session, path, years, what, strength, say)
            return {"mixed": str(mixed), "save_mixed": offer(mixed)}

        return self._run(work, request, language, progress, MIXED, toast=True)

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
        work: Callable[[Session, Say], Shown],
        request: gr.Request,
        language: str,
        progress: gr.Progress,
        shown: Keys,
        toast: bool = False,
    ) -> list[Any]:
        """Call `work` in the worker's thread; returns the status and the values of the parts `shown`.

        A problem becomes the status (and a `toast`, where the status may be out of sight), and the parts are emptied.
        """

        def say(share: float, key: str) -> None:
            progress(share, desc=text(key, language))

        def guarded() -> list[Any]:
            session = self.sessions.get(_visitor(request))
            values: Shown = {}
            try:
                values = work(session, say)
            except Problem as problem:
                session.said = problem.key, problem.values
            except UserError as error:
                session.said = "failed", {"reason": str(error)}
            key, filled = session.said
            message = text(key, language, **filled)
            if toast and not values:
                gr.Warning(message.replace("*", ""))
            return [message, *(values.get(key, _emptied(key)) for key in shown)]

        return self.worker.run(guarded)


def _visitor(request: gr.Request) -> str:
    return request.session_hash or ""


def offer(path: Path) -> Any:
    """A download button that works."""
    return gr.update(value=str(path), interactive=True, visible=True)


def _emptied(key: str) -> Any:
    """What a part shows when there is nothing to show."""
    if key.startswith("save_"):
        return gr.update(value=None, interactive=False, visible=False)
    return gr.update(visible=False) if key == "who" else None
