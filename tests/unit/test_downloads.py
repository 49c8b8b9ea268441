"""Fetching: resumed, hash-checked, from where pip looks, and never running what was fetched."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from work.downloads import cache_folder, extract, from_pip, from_url, sha256_of
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


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
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


def make_wheel(folder):
    path = folder / "fake_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fake_weights/data/net.bin", "numbers")
        archive.writestr(
            "fake_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\n",
        )
        archive.writestr(
            "fake_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("fake_weights-1.0.dist-info/RECORD", "")
    return path


def make_sdist(folder, trap):
    path = folder / "fake_source-1.0.tar.gz"
    files = {
        "setup.py": f"open({str(trap)!r}, 'w').close()\n__import__('setuptools').setup(name='fake_source')",
        "PKG-INFO": "Metadata-Version: 1.0\nName: fake_source\nVersion: 1.0\n",
        "fake_source/net.bin": "numbers",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"fake_source-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in which pip, and only it, looks for packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_from_where_pip_looks(index, tmp_path):
    sha = sha256_of(make_wheel(index))
    archive = from_pip(
        "fake-weights==1.0", tmp_path / "cache" / "fake_weights-1.0-py3-none-any.whl", sha
    )
    extract(archive, ("fake_weights/data/net.bin",), tmp_path)
    assert (tmp_path / "net.bin").read_text() == "numbers"
    with pytest.raises(UserError, match="holds no fake_weights/other"):
        extract(archive, ("fake_weights/other",), tmp_path)
    with pytest.raises(UserError, match="SHA-256"):
        from_pip("fake-weights==1.0", tmp_path / "other" / archive.name, "0" * 64)


def test_a_source_archive_is_fetched_but_never_run(index, tmp_path):
    trap = tmp_path / "it_was_run"
    sha = sha256_of(make_sdist(index, trap))
    archive = from_pip("fake_source==1.0", tmp_path / "cache" / "fake_source-1.0.tar.gz", sha)
    extract(archive, ("fake_source/net.bin",), tmp_path)
    assert (tmp_path / "net.bin").read_text() == "numbers"
    assert not trap.exists()


def test_a_package_that_is_not_there(index, tmp_path):
    with pytest.raises(UserError, match="fake_weights==2.0.*\n.*put it into"):
        from_pip("fake_weights==2.0", tmp_path / "fake_weights-2.0-py3-none-any.whl", "0")


def test_a_damaged_archive_is_named(tmp_path):
    for name in ("a.whl", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8bnonsense")
        with pytest.raises(UserError, match=f"{name}: damaged"):
            extract(tmp_path / name, ("x",), tmp_path)


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    assert cache_folder() == tmp_path
