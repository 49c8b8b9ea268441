"""The page's parts that need no browser."""

from __future__ import annotations

import io
import re
import socket
import string
import sys
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from PIL import Image

from tests.unit.toy_ager import Brightener, TwoFaces
from work.configs.options import STEPS
from work.configs.video_options import VideoOptions
from work.configs.web_options import WebOptions
from work.datasets.images import ImageError, read_image
from work.errors import UserError, run
from work.faces.aligned import AlignedFace
from work.inference import photos as photo_flow
from work.scripts import web
from work.web import films
from work.web.compare import show_message
from work.web.films import place_in_photo
from work.web.problems import Problem
from work.web.sessions import Sessions
from work.web.studio import Studio
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


def refusals(folder: Path) -> list[str]:
    """All reasons for which a file is no photo, from such files."""

    def png(side: int) -> bytes:
        data = io.BytesIO()
        Image.new("RGB", (side, side)).save(data, "PNG")
        return data.getvalue()

    heic = b"\0\0\0\x18ftypheic" + bytes(16)
    found = [pytest.raises(ImageError, read_image, folder / "none").value.reason]
    for content in (b"", b"text", png(64)[:50], png(4), heic):
        (folder / "photo.png").write_bytes(content)
        found.append(pytest.raises(ImageError, read_image, folder / "photo.png").value.reason)
    return found


def without_names(words: str) -> str:
    return re.sub(
        "JPEG|PNG|WebP|TIFF|HEIC|AVIF|BMP|GIF|PPM|MB|4K|4096 x 2304|pillow-heif|{.*?}", "", words
    )


def test_chinese_is_chinese_to_the_end(tmp_path):
    said = [text("unreadable", "zh", reason=reason) for reason in refusals(tmp_path)]
    films = ("is no film that ffmpeg can read: moov atom not found", "frames of 9000 x 9000 px are")
    said += [text("unreadable_film", "zh", reason=reason) for reason in films]
    assert len(set(said)) >= 7
    said.append(text("failed", "zh", reason="cannot write x.jpg: No space left on device"))
    said += [words["zh"] for words in TEXTS.values()]
    assert not [words for words in said if re.search("[A-Za-z]", without_names(words))]
    assert text("unreadable", "en", reason="damaged (x)").endswith("photo:** damaged (x).")


def test_what_fills_a_message_is_never_html():
    said = show_message("unreadable", "en", reason="damaged (<img src=x onerror=alert(1)>)")
    assert "<img" not in said and "<b>This file cannot be read as a photo:</b>" in said


def test_a_film_of_the_whole_photo_changes_the_face_alone():
    photo = Image.new("RGB", (1301, 899), (0, 128, 0))
    quad = np.array([[600.0, 300.0], [600.0, 500.0], [800.0, 500.0], [800.0, 300.0]])
    frame = place_in_photo(AlignedFace(photo, quad))(Image.new("RGB", (1024, 1024), (255, 128, 0)))
    pixels = np.asarray(frame).astype(int)
    assert frame.size == (960, 662)
    changed = np.argwhere(pixels[..., 0] > 0)
    assert (changed.min(axis=0) >= (220, 441)).all() and (changed.max(axis=0) <= (369, 591)).all()
    assert pixels[294, 516, 0] > 100


def test_of_several_faces_the_largest_is_chosen(tmp_path, monkeypatch):
    photo = Image.new("RGB", (400, 300))
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    faces = [AlignedFace(photo, corners * side) for side in (60, 90, 70)]
    studio, session = Studio.__new__(Studio), Sessions(tmp_path, 1).get("me")
    monkeypatch.setattr(studio, "_read", lambda path: photo)
    monkeypatch.setattr(studio, "_find", lambda photo: faces)
    studio.open_photo(session, tmp_path / "us.jpg", lambda share, key: None)
    assert (session.which, session.name, len(session.faces)) == (1, "us", 3)


def test_a_port_that_is_taken_is_named(capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(lambda: web.main([f"--port={port}"])) == 2
    assert f"--port {port}" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["::1", "nonsense.invalid", "192.0.2.1"])
def test_a_host_that_is_not_here_is_named_at_once(host, capfd):
    assert run(lambda: web.main([f"--host={host}"])) == 2
    said = capfd.readouterr()
    assert f"--host {host}: " in said.err and "starting" not in said.out


@pytest.fixture
def toy(monkeypatch):
    """The page's model and detector are toys."""
    monkeypatch.setattr(photo_flow, "load_model", lambda options: Brightener())
    monkeypatch.setattr(photo_flow, "FaceDetector", TwoFaces)


def test_a_model_that_draws_no_children_is_refused(toy, monkeypatch):
    monkeypatch.setattr(Brightener, "youngest", 15.0)
    with pytest.raises(UserError, match="exp/reaging: the page shows children too"):
        Studio(WebOptions(checkpoint_path="exp/reaging"))


def test_a_style_is_learned_again_at_another_quality(toy, tmp_path, monkeypatch):
    for name, value in (("n_styles", 2), ("refines", True)):
        monkeypatch.setattr(Brightener, name, value)
    for name in ("codes", "render"):
        monkeypatch.setattr(Brightener, name, lambda *_: paddle.zeros([1, 3, 32, 32]))
    learned = []
    monkeypatch.setattr(Brightener, "invert", lambda self, face, steps, told: learned.append(steps))
    monkeypatch.setattr("work.web.studio.mix_styles", lambda codes, *_: codes)
    studio, session = Studio(WebOptions()), Sessions(tmp_path, 1).get("me")
    path = tmp_path / "a.png"
    Image.new("RGB", (140, 100)).save(path)
    studio.open_photo(session, path, lambda share, key: None)
    for quality in ("draft", "draft", "best"):
        studio.mix(session, quality, path, 70, "fine", 1.0, lambda share, key: None)
    assert learned == [STEPS["draft"], STEPS["best"]]


def test_a_transparent_photo_stays_transparent(toy, tmp_path):
    path = tmp_path / "cut.png"
    Image.new("RGBA", (140, 100), (60, 60, 60, 128)).save(path)
    studio, session = Studio(WebOptions()), Sessions(tmp_path, 1).get("me")
    studio.open_photo(session, path, lambda share, key: None)
    files, _ = studio.age(session, "draft", 70, lambda share, key: None)
    with Image.open(files["pasted"]) as photo:
        assert photo.mode == "RGBA" and photo.getchannel("A").getextrema() == (128, 128)


def test_of_a_film_that_does_not_tell_its_length_the_beginning_is_taken(tmp_path, monkeypatch):
    asked = []

    def age_film(clip, out, options, model, follow):
        asked.append(options.seconds)
        return {"changed": 1}

    monkeypatch.setattr(films, "probe", lambda clip: SimpleNamespace(seconds=0.0))
    monkeypatch.setattr(films, "age_film", age_film)
    options, say, model = VideoOptions(target_age="12"), lambda share, key: None, Brightener()
    words = (tmp_path / "in.webm", tmp_path / "out.mp4", 30.0, say, Event())
    films.recast_film(model, options, *words)
    assert asked == [30.0]
    model.youngest = 15.0
    with pytest.raises(Problem, match="too_young_for_film"):
        films.recast_film(model, options, *words)


def test_without_gradio_the_error_says_what_to_install(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert run(lambda: web.main([])) == 2
    assert "requirements-web.txt" in capfd.readouterr().err


@pytest.mark.parametrize("flag", ["--port=0", "--max_upload_mb=0", "--max_megapixels=500"])
def test_wrong_flags_are_told(flag, capfd):
    assert run(lambda: web.main([flag])) == 2
    assert flag.split("=")[0] in capfd.readouterr().err
