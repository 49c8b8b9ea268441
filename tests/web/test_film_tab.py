"""The page's tab for a visitor's own film, in a real browser with a baseline that ages films."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from tests.faces.conftest import DATA
from tests.faces.conftest import fetched as fetched
from tests.video.kit import decoded, ffmpeg, film, sound_of
from tests.web.conftest import Server
from work.datasets.images import read_image

SIZE = (320, 320)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Films that visitors bring, by name."""
    folder = tmp_path_factory.mktemp("clips")
    photo = read_image(DATA / "03.jpg")
    side = min(photo.size)
    pictures = [
        photo.resize(SIZE, Image.Resampling.BICUBIC, (shift, 0, side - 10 + shift, side - 10))
        for shift in np.linspace(0, 10, 20)
    ]
    film(folder / "me.mp4", pictures=pictures)
    for name, seconds in (("nobody", 1), ("long", 5)):
        ffmpeg("-f", "lavfi", "-i", f"testsrc=d={seconds}:s=160x120", folder / f"{name}.mp4")
    (folder / "text.mp4").write_text("no film")
    (folder / "large.mp4").write_bytes(bytes(2 << 20))
    return folder


@pytest.fixture(scope="module")
def visit(tmp_path_factory, fetched, open_browser):
    pytest.importorskip("gradio", reason="the web page needs requirements-web.txt")
    for name in ("mtcnn", "age_v1", "dlib_face"):
        fetched(name)
    flags = ["--method=group-gan", "--max_film_seconds=3"]
    server = Server(tmp_path_factory.mktemp("server"), *flags)
    browser = open_browser(1300, "en-US")
    browser.open(server.url)
    browser.click("#recast_tab-button")
    yield browser
    browser.close()
    assert server.stop() == 0


def choose(visit, path) -> None:
    for button in visit.all("#clip button[aria-label]"):
        visit.driver.execute_script("arguments[0].click()", button)
    visit.upload("#clip", path)
    visit.until(lambda: path.name in "".join(visit.text("#clip").split()), 30)


def said(visit, words: str) -> None:
    visit.until(lambda: words in visit.text("#recast_said"), 60)


def test_a_film_is_aged_played_and_downloaded_with_its_sound(visit, clips):
    visit.click("#recast_run")
    said(visit, "Choose a film first")
    choose(visit, clips / "me.mp4")
    visit.click("#recast_run")
    visit.until(lambda: visit.all("#recast video"))
    path = visit.download("#save_recast")
    assert path.name == "me_70.mp4" and sound_of(path) == sound_of(clips / "me.mp4")
    before, after = (decoded(each, SIZE).astype(float) for each in (clips / "me.mp4", path))
    change = np.abs(after - before).mean(axis=(0, 3))
    assert change[100:220, 100:220].mean() > 1.5 * change[:40].mean()


def test_a_film_is_stopped(visit, clips):
    choose(visit, clips / "me.mp4")
    visit.listen("#recast_said")
    visit.click("#recast_run")
    visit.until(lambda: any("Finding" in text for text in visit.heard()))
    visit.driver.execute_script("document.querySelector('#recast_stop').click()")
    said(visit, "Stopped.")
    assert not visit.all("#recast video")


@pytest.mark.parametrize(
    "name, words",
    [
        ("nobody", "Nobody in this film can be changed"),
        ("long", "it has 5 seconds, at most 3 are taken"),
        ("text", "cannot be read as a film"),
    ],
)
def test_what_cannot_be_aged_is_told(visit, clips, name, words):
    choose(visit, clips / f"{name}.mp4")
    visit.click("#recast_run")
    said(visit, words)
    assert "/tmp" not in visit.text("#recast_said")


def test_a_film_over_the_limit_is_not_taken(visit, clips):
    for button in visit.all("#clip button[aria-label]"):
        visit.driver.execute_script("arguments[0].click()", button)
    visit.upload("#clip", clips / "large.mp4")
    visit.until(lambda: "larger than 1 MB" in visit.all("body")[0].text)
    time.sleep(0.5)
    assert not visit.all("#clip .file-preview")
