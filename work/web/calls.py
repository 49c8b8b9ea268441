"""What the page's browser side may ask for. Everything else is refused before Gradio looks at it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from work.configs.options import STEPS
from work.web.texts import LANGUAGES

LONGEST = 64 * 1024  # bytes of a call; the page's own have one or two thousand
HASH = re.compile(r"[\w-]{1,64}", re.ASCII)
# Gradio offers more (other programs' calls, editing the page, proxies, monitoring); the page uses these.
READ = re.compile(
    r"/|/(config|info|app_id|startup-events|theme\.css|favicon\.ico|robots\.txt|manifest\.json|upload_progress"
    r"|queue/data)/?|/(assets|static|svelte|pwa_icon|heartbeat)(/.*)?|/file[=/].*"
)
WRITTEN = re.compile(r"/(queue/join|run/[^/]+|upload|cancel|reset)/?")
CALL = re.compile(r"/(queue/join|run/[^/]+)/?")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters: one is a drive of Windows


def is_page_path(method: str, path: str) -> bool:
    """Whether the page's browser side sends such requests."""
    path = _own(path)
    if not path.isprintable():
        return False
    if method in ("GET", "HEAD"):
        return bool(READ.fullmatch(path)) and not ADDRESS.match(path[len("/file=") :])
    return method == "OPTIONS" or (method == "POST" and bool(WRITTEN.fullmatch(path)))


def is_call(method: str, path: str) -> bool:
    """Whether a request calls one of the page's handlers."""
    return method == "POST" and bool(CALL.fullmatch(_own(path)))


def is_upload_path(path: str) -> bool:
    """Whether a request brings a file."""
    return _own(path).rstrip("/") == "/upload"


def _own(path: str) -> str:
    """A request's path without what Gradio 5 puts before it."""
    return path[len("/gradio_api") :] if path.startswith("/gradio_api/") else path


def _number(low: float, high: float) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return isinstance(value, (int, float)) and type(value) is not bool and low <= value <= high

    return check


def _word(words: Sequence[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def is_upload(value: Any, root: Path) -> bool:
    """Whether a value is no photo, or one below the private folder, as Gradio describes it."""
    if value is None:
        return True
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path.isprintable():
        return False
    return root in Path(path).parents and ".." not in Path(path).parts


def _face(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1000


UPLOADS = ("photo", "reference", "clip")
CHECKS: dict[str, Callable[[Any], bool]] = {
    "language": _word(list(LANGUAGES)),
    "quality": _word(list(STEPS)),
    "who": _face,
    "age": _number(0, 100),
    "seconds": _number(2, 12),
    "film_what": _word(["face", "whole"]),
    "what": _word(["fine", "middle"]),
    "strength": _number(0, 1),
}


def is_well_formed(body: bytes, handlers: Mapping[int, Sequence[str]], root: Path) -> bool:
    """Whether a call's JSON names a handler and has values for its inputs, each of its kind and in its range.

    Args:
        handlers: the names of the inputs, keys of CHECKS or UPLOADS, by Gradio's number of the handler.
        root: the private folder.
    """
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(call, dict) or type(call.get("fn_index")) is not int:
        return False
    session, data, inputs = (
        call.get("session_hash"),
        call.get("data"),
        handlers.get(call["fn_index"]),
    )
    if inputs is None or not isinstance(data, list) or len(data) != len(inputs):
        return False
    if not isinstance(session, str) or not HASH.fullmatch(session):
        return False
    others = {"event_data": dict, "trigger_id": int, "simple_format": bool, "event_id": str}
    for name, kind in others.items():
        if not isinstance(call.get(name), (kind, type(None))):
            return False
    return all(
        is_upload(value, root) if name in UPLOADS else CHECKS[name](value)
        for name, value in zip(inputs, data)
    )
