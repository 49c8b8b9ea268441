"""The page's parts that need no browser."""

from __future__ import annotations

import socket
import string
import sys
from pathlib import Path

import pytest
from PIL import Image

from work.errors import run
from work.scripts import web
from work.web.sessions import IDLE, Sessions
from work.web.texts import LANGUAGES, TEXTS, preferred, text


def fields(words: str) -> set:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_is_there_in_every_language_with_the_same_values(key):
    assert set(TEXTS[key]) == set(LANGUAGES) and all(TEXTS[key].values())
    assert fields(TEXTS[key]["en"]) == fields(TEXTS[key]["zh"])


@pytest.mark.parametrize(
    "header, language",
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.5", "en"),
        ("fr;q=0.9,zh-TW;q=0.8,en;q=0.1", "zh"),
        ("de", "en"),
        ("", "en"),
        ("zh;q=x", "en"),
    ],
)
def test_language_of_the_browser(header, language):
    assert preferred(header) == language


def test_values_are_filled_in():
    assert "32" in text("no_face", "zh", smallest=32)


def upload(root: Path, name: str) -> Path:
    path = root / name / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes(b"photo")
    return path


def test_a_session_takes_its_files_with_it(tmp_path):
    sessions = Sessions(tmp_path, limit=3)
    session = sessions.get("me")
    first, second, style = (upload(tmp_path, name) for name in "abc")
    session.take("photo", first)
    session.take("photo", second)
    assert not first.parent.exists() and second.exists()
    session.take("reference", style)
    session.result("aged.jpg").write_bytes(b"result")
    sessions.get("other").result("aged.jpg").write_bytes(b"result")
    sessions.close("me")
    sessions.close("never came")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 1 and sessions.open.keys() == {"other"}


def test_idle_sessions_and_those_beyond_the_limit_are_forgotten(tmp_path):
    sessions = Sessions(tmp_path, limit=2)
    for key in ("a", "b"):
        sessions.get(key).photo = Image.new("RGB", (8, 8))
    a, b = (sessions.get(key) for key in "ab")
    sessions.get("a")
    sessions.get("c")
    assert sessions.open.keys() == {"a", "c"} and b.photo is None and a.photo is not None
    a.used -= IDLE + 1
    sessions.get("c")
    assert sessions.open.keys() == {"c"} and a.photo is None


def test_a_port_that_is_taken_is_named(monkeypatch, capfd):
    pytest.importorskip("gradio", reason="the web page needs requirements-web.txt")
    monkeypatch.setattr("work.web.studio.Studio.__init__", lambda self, options: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(lambda: web.main([f"--port={port}"])) == 2
    assert f"--port {port}" in capfd.readouterr().err


def test_without_gradio_the_error_says_what_to_install(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert run(lambda: web.main([])) == 2
    assert "requirements-web.txt" in capfd.readouterr().err


@pytest.mark.parametrize("flag", ["--port=0", "--max_upload_mb=0", "--max_megapixels=500"])
def test_wrong_flags_are_told(flag, capfd):
    assert run(lambda: web.main([flag])) == 2
    assert flag.split("=")[0] in capfd.readouterr().err
