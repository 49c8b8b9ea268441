"""Pieces of HTML that the page shows: a picture before and after, how far something is, who waits."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from work.datasets.images import open_image
from work.web.texts import text


def file_url(path: Path) -> str:
    """Where the browser gets a file of the private folder."""
    from gradio import route_utils

    return f"{getattr(route_utils, 'API_PREFIX', '')}/file={quote(str(path))}"


def show_comparison(before: Path, after: Path, language: str) -> str:
    """Two pictures of one size on top of each other; a handle moves the border between them.

    All comparisons of the page share one border, which stays where it is when a picture changes.
    """
    with open_image(after) as picture:
        ratio = picture.width / picture.height
    move = "document.documentElement.style.setProperty('--border',this.value+'%')"
    label = html.escape(text("compare", language))
    return (
        f'<div class="compare" style="--ratio:{ratio:.4f}">'
        f'<img class="after" src="{file_url(after)}" alt="{text("after", language)}">'
        f'<img class="before" src="{file_url(before)}" alt="{text("before", language)}">'
        f'<input type="range" min="0" max="100" value="30" aria-label="{label}" oninput="{move}">'
        "<span></span></div>"
    )


def show_message(key: str, language: str, **values: Any) -> str:
    """One of the texts; `**bold**` is bold, and what fills it is never taken for HTML."""
    said = html.escape(text(key, language, **values), quote=False)
    said = re.sub(r"[*][*](.+?)[*][*]", r"<b>\1</b>", said)
    return f'<div role="status">{said}</div>'


def show_progress(key: str, share: float, language: str) -> str:
    """What is being done, and a bar; `share` is 0 to 1."""
    percent = f"{100 * share:.0f}"
    return (
        f'<div role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100">'
        f"{html.escape(text(key, language))} · {percent} %"
        f'<div class="bar"><i style="width:{percent}%"></i></div></div>'
    )


def show_waiting(people: int, language: str) -> str:
    """How many are served first."""
    key = "next" if people == 0 else "one_before" if people == 1 else "some_before"
    return show_message(key, language, people=people)
