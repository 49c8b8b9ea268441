"""What each control of the page makes: parts of the page by name, with the values that they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import gradio as gr

from work.web.compare import show_comparison
from work.web.problems import Problem, Say
from work.web.sessions import Session
from work.web.studio import DRAFT, Studio

Shown = Dict[str, Any]  # values by the keys of the page's parts


class Actions:
    """Called in the worker's thread. Photos come as files that belong to the session already.

    They raise Problem, or return the new values of the page's parts. None changes nothing; parts left out are emptied.
    """

    def __init__(self, studio: Studio):
        self.studio = studio

    def open_photo(
        self, session: Session, say: Say, photo: Optional[Path], quality: str, years: float
    ) -> Shown:
        """Show the draft of a new photo. Raises Problem, with the greeting, if the photo was removed."""
        session.rest()
        session.shown_quality = None
        if photo is None:
            raise Problem("hello")
        self.studio.open_photo(session, photo, say)
        return self._drafted(session, quality, years, say)

    def choose(self, session: Session, say: Say, which: int, quality: str, years: float) -> Shown:
        """Another face of the photo: its draft."""
        self.studio.recall(session, say)
        session.which = which if which < max(1, len(session.faces)) else session.which
        return self._drafted(session, quality, years, say)

    def _drafted(self, session: Session, quality: str, years: float, say: Say) -> Shown:
        shown = self._aged(session, DRAFT, quality, years, say)
        choices = [(str(number + 1), number) for number in range(len(session.faces))]
        who = gr.update(choices=choices, value=session.which, visible=len(choices) > 1)
        return {"who": who, **shown}

    def refine(self, session: Session, say: Say, quality: str, years: float) -> Optional[Shown]:
        """The same face, learned now at the wanted quality; None if that is shown already, or nothing is."""
        if session.shown_quality in (None, self.studio.own_quality(quality)):
            return None
        return self._aged(session, quality, quality, years, say)

    def age(self, session: Session, say: Say, quality: str, years: float) -> Shown:
        """Another target age, at the wanted quality if that is learned already."""
        known = quality if self.studio.knows(session, quality) else DRAFT
        return self._aged(session, known, quality, years, say)

    def _aged(self, session: Session, quality: str, wanted: str, years: float, say: Say) -> Shown:
        session.shown_quality = None
        files, subject = self.studio.age(session, quality, years, say)
        quality = quality if self.studio.improves(subject, years) else wanted
        quality, wanted = (self.studio.own_quality(word) for word in (quality, wanted))
        session.shown_quality = quality
        said = "found" if quality == wanted else "drafted"
        session.said["status"] = said, {"age": subject.age}
        language = session.language
        return {
            "face": show_comparison(files["face_before"], files["face"], language),
            "pasted": show_comparison(files["preview_before"], files["preview"], language),
            "save_face": offer(files["face"]),
            "save_pasted": offer(files["pasted"]),
        }

    def strip(self, session: Session, say: Say, quality: str) -> Shown:
        """The face at all ages."""
        cells, whole = self.studio.strip(session, quality, say)
        return {"strip": [(str(path), age) for path, age in cells], "save_strip": offer(whole)}

    def film(self, session: Session, say: Say, quality: str, seconds: float, what: str) -> Shown:
        """The face, or the whole photo, from 0 to 100 and back."""
        film = self.studio.film(session, quality, seconds, what, say)
        return {"film": str(film), "save_film": offer(film)}

    def recast(
        self, session: Session, say: Say, clip: Optional[Path], years: float
    ) -> Optional[Shown]:
        """The visitor's film with its people at another age."""
        if clip is None:
            raise Problem("need_film")
        film = self.studio.recast(session, clip, years, say)
        return {"recast": str(film), "save_recast": offer(film)}

    def mix(
        self,
        session: Session,
        say: Say,
        quality: str,
        reference: Optional[Path],
        what: str,
        strength: float,
        years: float,
    ) -> Shown:
        """The face in the style of another photo."""
        if reference is None:
            raise Problem("need_reference")
        plain, mixed = self.studio.mix(session, quality, reference, years, what, strength, say)
        picture = show_comparison(plain, mixed, session.language)
        return {"mixed": picture, "save_mixed": offer(mixed)}


def offer(path: Path) -> Any:
    """A download button that works."""
    return gr.update(value=str(path), interactive=True, visible=True)
