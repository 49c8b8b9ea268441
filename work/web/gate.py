"""The page's request filter: who may send requests, which ones, and the security headers of every answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from work.errors import shown
from work.web.calls import LONGEST, is_call, is_page_path, is_upload_path, is_well_formed
from work.web.texts import preferred, text

FORM = 1024  # bytes that a form adds to a file

# The browser loads and sends nothing from or to another host, whatever Gradio's page refers to.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; "
    "form-action 'self'; base-uri 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Gate:
    """ASGI middleware: refuses other pages' requests, what the page never sends, and malformed calls.

    Args:
        handlers, root: see `is_well_formed`.
        limit: megabytes of an upload.
    """

    def __init__(self, app: Any, handlers: Mapping[int, Sequence[str]], root: Path, limit: int):
        self.app, self.handlers, self.root, self.limit = app, handlers, root, limit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # the page opens none
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_with_headers(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            await self._pass(scope, receive, send_with_headers)
        # Gradio's, on a request that nobody foresaw: one line instead of its traceback.
        except Exception as error:
            words = f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}"
            print(f"error: {shown(words)[:300]}", file=sys.stderr, flush=True)
            if not begun:
                await refuse(send_with_headers, 500, "the request cannot be answered")

    async def _pass(self, scope: Any, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["path"]
        headers = {key.lower(): value.decode("latin-1") for key, value in scope["headers"]}
        if not is_from_here(headers.get(b"origin"), headers.get(b"host", "")):
            await refuse(send, 403, "requests of other pages are refused")
        elif not is_page_path(method, path):
            await refuse(send, 404, "there is no such thing here")
        elif is_call(method, path):
            body = await read_body(receive, LONGEST)
            if body is None or not is_well_formed(body, self.handlers, self.root):
                await refuse(send, 400, "malformed call")
            else:
                await self.app(scope, replay(body, receive), send)
        elif is_upload_path(path) and not 0 < self._length(headers) <= self.limit << 20:
            await drop_body(receive)  # else the browser would not read the answer
            language = preferred(headers.get(b"accept-language", ""))
            await refuse(send, 413, text("too_large", language, limit=self.limit), plain=True)
        else:
            await self.app(scope, receive, send)

    def _length(self, headers: Mapping[bytes, str]) -> int:
        """The bytes of a file that is sent in a form; 0 if that is not told."""
        length = headers.get(b"content-length", "")
        return max(1, int(length) - FORM) if length.isascii() and length.isdigit() else 0


def is_from_here(origin: str | None, host: str) -> bool:
    """Whether a request comes from the page itself, or from no page at all.

    Args:
        origin: the header that browsers add to what a page sends elsewhere, and to all that it posts.
        host: the header that says whom the browser asks.
    """
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


async def read_body(receive: Any, most: int) -> bytes | None:
    """The whole body of a request; None if it is longer than `most` bytes or breaks off."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > most:
            return None
    return body


async def drop_body(receive: Any) -> None:
    """Read a request to its end without keeping anything."""
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)


def replay(body: bytes, receive: Any) -> Any:
    """A `receive` that hands out a body that was read already, then what comes after it."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def refuse(send: Any, status: int, why: str, plain: bool = False) -> None:
    """Answer with a status and one line: as JSON, or `plain` where Gradio's page shows the whole answer."""
    body = (why if plain else json.dumps({"detail": why})).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8" if plain else b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
