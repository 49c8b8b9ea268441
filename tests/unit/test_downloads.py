"""Fetching: resumed, hash-checked, from where pip looks, and never running what was fetched."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from work import downloads
from work.downloads import from_url, sha256_of
from work.errors import UserError

BODY = bytes(range(256)) * 5000
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves BODY; knows Range; the first answer breaks off in the middle if the path says so."""

    ranges: list = []
    broken = 0

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.ranges.append(wanted)
        if self.path == "/slow":
            time.sleep(0.5)
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        part = BODY[start:]
        if self.path == "/breaks" and Handler.broken == 0:
            Handler.broken = 1
            part = part[:300_000]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.ranges, Handler.broken = [], 0
    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}"
    service.shutdown()
    service.server_close()


def test_a_broken_download_is_resumed(server, tmp_path):
    target = tmp_path / "sub" / "file.bin"
    with pytest.raises(UserError, match="again"):
        from_url(f"{server}/breaks", target, SHA)
    assert not target.exists()
    done = target.with_name("file.bin.part").stat().st_size
    assert 0 < done < len(BODY)
    assert from_url(f"{server}/breaks", target, SHA).read_bytes() == BODY
    assert Handler.ranges == [None, f"bytes={done}-"]
    from_url(f"{server}/missing", target, SHA)  # it is there: nobody is asked
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_a_finished_part_is_taken_as_it_is(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert sha256_of(from_url(f"{server}/file", tmp_path / "file.bin", SHA)) == SHA


def test_other_content_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(UserError, match="SHA-256"):
        from_url(f"{server}/file", tmp_path / "file.bin", "0" * 64)
    assert not list(tmp_path.iterdir())
    from_url(
        f"{server}/file", tmp_path / "file.bin", SHA[:8]
    )  # torchvision gives the first eight digits


def test_an_address_without_a_file_is_named(server, tmp_path):
    with pytest.raises(UserError, match="/missing"):
        from_url(f"{server}/missing", tmp_path / "file.bin")


ODD_ANSWERS = {
    "broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nabc",
    "200 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\nabc",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc",
    "a length that is too large": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc",
    "a status that is none": b"HTTP/1.1 two hundred\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
    "an address that is none": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    "a port that is none": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:abc/\r\n\r\n",
    "a name that is none": b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 80 + b".b/\r\n\r\n",
    "ftp": b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/file\r\n\r\n",
    "a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "a program": b"HTTP/1.1 302 Found\r\nLocation: javascript:alert(1)\r\n\r\n",
    "a colour": b"HTTP/1.1 404 \x1b[31mred\r\n\r\n",
}


@pytest.fixture
def raw_server():
    """Sends `answers[0]`, whatever is asked, and then closes the connection."""
    answers, listener = [b""], socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the other side may have hung up
                connection.recv(65536)
                connection.sendall(answers[0])

    threading.Thread(target=serve, daemon=True).start()
    yield answers, f"http://127.0.0.1:{listener.getsockname()[1]}/file"
    listener.close()


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=list(ODD_ANSWERS))
def test_odd_answers_are_one_clear_line(raw_server, tmp_path, answer):
    answers, url = raw_server
    answers[0] = answer
    with pytest.raises(UserError, match=f"cannot download {url}: .*again") as error:
        from_url(url, tmp_path / "file.bin", SHA)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"file.bin.part"}


def test_a_redirect_from_https_to_http_is_not_followed():
    request = urllib.request.Request("https://example.org/file")
    with pytest.raises(OSError, match="redirected to http://"):
        downloads._WebOnly().redirect_request(request, None, 302, "", {}, "http://example.org/")
    follow = downloads._WebOnly().redirect_request
    assert follow(request, None, 302, "", {}, "https://cdn.example.org/") is not None


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/file", "http://[::1", "//nothing", "data:,x"])
def test_addresses_that_are_not_fetched_are_named(tmp_path, url):
    with pytest.raises(UserError, match="cannot download"):
        from_url(url, tmp_path / "file.bin")


def test_an_answer_without_end_does_not_fill_the_disk(raw_server, tmp_path, monkeypatch):
    answers, url = raw_server
    answers[0] = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(8 << 20)
    monkeypatch.setattr(downloads, "MAX_BYTES", 2 << 20)
    with pytest.raises(UserError, match="more than"):
        from_url(url, tmp_path / "file.bin", SHA)
    assert (tmp_path / "file.bin.part").stat().st_size <= 4 << 20


def test_two_downloads_at_once_are_one(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        targets = [pool.submit(from_url, f"{server}/slow", tmp_path / "f", SHA) for _ in range(4)]
    assert [future.result().read_bytes() for future in targets] == [BODY] * 4
    assert Handler.ranges == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_is_fetched_is_said_once(server, tmp_path, capsys):
    from_url(f"{server}/file", tmp_path / "net.bin", SHA)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "downloading net.bin, 1 MB, once"
    assert last.startswith("net.bin: 1/1 MB in ")
    from_url(f"{server}/file", tmp_path / "net.bin", SHA)
    assert capsys.readouterr().err == ""
