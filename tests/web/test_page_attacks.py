"""Requests that the page's own browser side never sends, against a real server process."""

from __future__ import annotations

import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, Optional

import pytest

from tests.faces.conftest import DATA
from tests.faces.conftest import fetched as fetched

PHOTO = DATA / "03.jpg"
VISITORS = 50


class Client:
    """What can be done to the page without a browser."""

    def __init__(self, port: int):
        self.port = port
        self.config = json.loads(self.ask("GET", "/config")[1])
        self.prefix = self.config.get("api_prefix", "")
        parts = {part["props"].get("elem_id"): part["id"] for part in self.config["components"]}
        self.handlers = {
            (name, event): call["id"]
            for name, part in parts.items()
            for call in self.config["dependencies"]
            for target, event in call["targets"]
            if target == part
        }

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Optional[dict] = None
    ) -> tuple[int, bytes]:
        """One request; its status and what it answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def upload(self, content: bytes, **headers: str) -> tuple[int, bytes]:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        body = head + content + b"\r\n--x--\r\n"
        return self.ask("POST", f"{self.prefix}/upload", body, {**kind, **headers})

    def join(self, call: Any) -> int:
        """Call a handler through Gradio's queue; the status."""
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        kind = {"Content-Type": "application/json"}
        return self.ask("POST", f"{self.prefix}/queue/join", body, kind)[0]

    def call(self, name: str, event: str, data: list, session: str) -> dict:
        number = self.handlers[name, event]
        return {"fn_index": number, "data": data, "session_hash": session, "event_data": None}

    def answers(self, session: str) -> Iterator[dict]:
        """What the page is told, up to the end of its call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("GET", f"{self.prefix}/queue/data?session_hash={session}")
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                message = json.loads(line[6:])
                yield message
                if message["msg"] in ("process_completed", "close_stream"):
                    return


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server.port)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["]
)
def test_other_pages_are_refused(client, server, origin):
    before = server.files()
    assert client.upload(PHOTO.read_bytes(), Origin=origin)[0] == 403
    assert server.files() == before
    status, answer = client.ask("GET", "/config", headers={"Origin": origin})
    assert status == 403 and b"components" not in answer
    own = {"Origin": f"http://127.0.0.1:{client.port}"}
    assert client.ask("GET", "/config", headers=own)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/file=http://evil.example/", "/file=HTTPS://evil.example/", "/file=//evil.example/"),
        *("/file=file:///etc/passwd", "/file=/etc/passwd", "/file=..%2f..%2fetc%2fpasswd"),
        *("/file=http:%2f%2fevil.example", "/file=%00", "/file=a%0d%0aX:%20y", "/file/etc/passwd"),
        *("/proxy=http://evil.example/", "/proxy=https://evil.hf.space/x", "/vibe-code", "/docs"),
        *("/openapi.json", "/call/age", "/component_server", "/stream/x/1/1/playlist.m3u8"),
        *("/dev/reload", "/monitoring", "/login_check", "/custom_component/1/client/x/y"),
    ],
)
def test_addresses_and_foreign_files_are_not_given(client, path):
    for prefix in {"", client.prefix}:
        status, answer = client.ask("GET", prefix + path)
        assert status in (400, 403, 404), (status, answer[:200])
        assert b"root:" not in answer


def malformed(client: Client) -> list[Any]:
    """Calls that no page sends."""
    good = client.call("strip_run", "click", ["en", "good"], "attacker")
    opened = client.handlers["photo", "change"]
    photos: list[Any] = [1, "x", [], {}, {"path": 1}, {"path": None}, [{"path": "x"}]]
    bodies: list[Any] = [b"", b"{", b"[" * 50_000, b"null", b"1", b'"x"', b"[]", b"\xff\xfe", b"{}"]
    for name, values in {
        "fn_index": [-1, 10_000, None, "0", 1.5, True, [], {}],
        "session_hash": [None, 1, "", "../x", "x" * 100, ["x"], "a\nb"],
        "data": [
            None,
            {},
            "en",
            [],
            ["en"],
            ["en", "good", 1],
            [1, 2],
            [None, None],
            ["xx", "good"],
        ],
        "event_data": [1, "x", []],
        "trigger_id": ["x", {}],
    }.items():
        bodies += [{**good, name: value} for value in values]
    bodies += [{**good, "data": ["en", value]} for value in (0, [], {}, "superb", "x" * 100_000)]
    for photo in photos:
        bodies.append({**good, "fn_index": opened, "data": ["en", photo, "good", 70]})
    for age in (-1, 101, "70", None, [], float("nan"), float("inf"), 10**400, True):
        bodies.append({**good, "fn_index": opened, "data": ["en", None, "good", age]})
    return bodies


def test_malformed_calls_are_refused_in_one_line_each_way(client, server):
    bodies = malformed(client)
    assert len(bodies) > 50
    for body in bodies:
        assert client.join(body) in (400, 404, 422), body
    number = client.handlers["language", "input"]
    for body in (b"{", b'{"data": [7], "fn_index": %d, "session_hash": "x"}' % number):
        path = f"{client.prefix}/run/predict"
        assert client.ask("POST", path, body, {"Content-Type": "application/json"})[0] == 400
    for path in ("/upload", "/cancel", "/reset", "/queue/data", "/upload_progress"):
        for method in ("POST", "GET"):
            for body in (b"", b"{", b"[]", b"--x--", bytes(1000)):
                for kind in ("application/json", "multipart/form-data; boundary=x", "x/y", "\xff"):
                    status, _ = client.ask(
                        method, client.prefix + path, body, {"Content-Type": kind}
                    )
                    assert 400 <= status < 500 or path in ("/reset", "/upload"), (path, body, kind)
    assert client.ask("GET", "/")[0] == 200
    assert "Traceback" not in server.said, server.said


def test_a_file_that_was_not_uploaded_is_no_photo(client, server):
    root = json.loads(client.upload(b"x")[1])[0].rsplit("/", 2)[0]
    paths = ["/etc/passwd", str(PHOTO), "x", "", "\0", "http://evil.example/x.jpg", root]
    for path in [*paths, f"{root}/../x.jpg", f"{root}x/x.jpg"]:
        photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
        call = client.call("photo", "change", ["en", photo, "good", 70], "forger")
        assert client.join(call) == 400
    gone = {"path": f"{root}/gone/x.jpg", "meta": {"_type": "gradio.FileData"}}
    assert client.join(client.call("photo", "change", ["en", gone, "good", 70], "late")) == 200
    assert "Choose a photo with a face" in str(list(client.answers("late")))
    assert "Traceback" not in server.said


def test_uploads_of_untold_length_are_refused(client, server):
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    kind = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}
    path, before = f"{client.prefix}/upload", server.files()
    pieces = (bytes(100_000) for _ in range(30))
    connection.request("POST", path, pieces, kind, encode_chunked=True)
    assert connection.getresponse().status == 413 and server.files() == before


def test_an_upload_that_no_call_claims_is_deleted(client, server):
    _, answer = client.upload(b"never named" * 100)
    (path,) = json.loads(answer)
    assert client.join({**client.call("photo", "change", ["en", {"path": path}], "x")}) == 400
    os.utime(path, (0, 0))
    os.utime(os.path.dirname(path), (0, 0))
    end = time.monotonic() + 60
    while os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.5)
    assert not os.path.exists(path)


def test_fifty_visitors_at_once_are_all_served_and_told_how_many_come_first(client):
    _, answer = client.upload(PHOTO.read_bytes())
    photo = {"path": json.loads(answer)[0], "meta": {"_type": "gradio.FileData"}}
    assert client.join(client.call("photo", "change", ["en", photo, "draft", 70], "slow")) == 200

    def visit(number: int) -> tuple[int, str]:
        session = f"visitor{number}"
        status = client.join(client.call("strip_run", "click", ["en", "good"], session))
        return status, str(list(client.answers(session))) if status == 200 else ""

    with ThreadPoolExecutor(VISITORS) as crowd:
        seen = list(crowd.map(visit, range(VISITORS)))
    assert [status for status, _ in seen] == [200] * VISITORS
    assert all("Choose a photo first" in said for _, said in seen)
    assert sum("people before you" in said for _, said in seen) > VISITORS // 2
    assert "Estimated age" in str(list(client.answers("slow")))
