"""The web page as a visitor uses it, in a real browser with the real model (one refining step)."""

from __future__ import annotations

import http.client
import json
import time

import numpy as np
import pytest
from PIL import Image

from tests.faces.conftest import DATA
from tests.faces.conftest import fetched as fetched
from work.datasets.images import read_image

PHOTO, REFERENCE = DATA / "03.jpg", DATA / "07.jpg"


@pytest.fixture(scope="module")
def visit(server, open_browser):
    """A visitor whose photo has been aged."""
    browser = open_browser(1400, "en-US")
    browser.open(server.url)
    assert browser.text("#status") == "Choose a photo with a face to begin."
    browser.upload("#photo", PHOTO)
    browser.until(lambda: "Move the slider" in browser.text("#status"))
    assert browser.source("#pasted")
    return browser


def named(name: str, path):
    return path if path.name == name else None


def test_the_picture_changes_with_the_slider_and_is_downloaded(visit):
    assert "Estimated age" in visit.text("#status")
    before = visit.source("#face"), visit.download("#save_pasted")
    visit.move_slider("#age", 15)
    visit.until(lambda: visit.source("#face") != before[0])
    # Typing 15 passes by 1, which may be aged on the way: the last age wins.
    after = visit.until(lambda: named("03_15.jpg", visit.download("#save_pasted")))
    photo, at_70, at_15 = (
        np.asarray(read_image(path), float) for path in (PHOTO, before[1], after)
    )
    assert at_15.shape == photo.shape
    face, corner = (slice(60, 120), slice(100, 140)), (slice(0, 40), slice(180, 225))
    assert np.abs(at_15[face] - photo[face]).mean() > 6  # JPEG alone changes it by less than 1
    assert np.abs(at_15[face] - at_70[face]).mean() > 4
    assert np.abs(at_15[corner] - photo[corner]).mean() < 2
    assert Image.open(visit.download("#save_face")).size == (512, 512)


def test_before_and_after_stand_on_top_of_each_other(visit):
    before, after = visit.all("#face .before")[0], visit.all("#face .after")[0]
    assert before.rect == after.rect and before.rect["width"] > 200
    assert before.get_attribute("src") != after.get_attribute("src")
    shown = "return getComputedStyle(arguments[0]).clipPath"
    assert visit.driver.execute_script(shown, before) == "inset(0px 70% 0px 0px)"
    move = "arguments[0].value = 80; arguments[0].oninput()"
    visit.driver.execute_script(move, visit.all("#face .compare input")[0])
    assert visit.driver.execute_script(shown, before) == "inset(0px 20% 0px 0px)"


def test_presets_move_the_slider_and_children_are_drafted_first(visit):
    before = visit.source("#face")
    visit.listen("#status")
    shares = set()  # the bar moves while the face is learned

    def learned():
        bars = visit.all("[role=progressbar]")
        assert len(bars) <= 1
        moved = (
            "return [...document.querySelectorAll('[role=progressbar]')].map(b => b.ariaValueNow)"
        )
        shares.update(visit.driver.execute_script(moved))
        return any("This is a draft" in text for text in visit.heard()) and (
            "Move the slider" in visit.text("#status")
        )

    visit.click("#preset_child")
    visit.until(lambda: visit.all("#age input[type=number]")[0].get_attribute("value") == "8")
    visit.until(learned)
    assert visit.source("#face") != before
    said = visit.heard()
    draft, learning = (
        next(i for i, text in enumerate(said) if part in text)
        for part in ("This is a draft", "Learning this face")
    )
    assert draft < learning  # the draft is shown, then replaced
    assert len(shares) > 4
    assert Image.open(visit.download("#save_face")).size == (1024, 1024)


def test_lifespan_strip(visit):
    visit.click("#strip_tab-button")
    visit.click("#strip_run")
    visit.until(lambda: len(visit.all("#strip .grid-container img")) == 11)
    captions = [part.text for part in visit.all("#strip .caption-label")]
    assert captions == [str(age) for age in range(0, 101, 10)]
    assert Image.open(visit.download("#save_strip")).size == (11 * 256, 256)


def test_film_plays(visit):
    visit.click("#film_tab-button")
    visit.move_slider("#seconds", 2)
    visit.click("#film_run")
    video = visit.until(lambda: visit.all("#film video"))[0]
    played = "return [arguments[0].videoWidth, arguments[0].currentTime > 0]"
    visit.until(lambda: visit.driver.execute_script(played, video) == [512, True])
    assert visit.download("#save_film").suffix == ".mp4"


def test_mixing_takes_the_style_of_a_reference(visit):
    visit.click("#mix_tab-button")
    visit.upload("#reference", REFERENCE)
    visit.until(lambda: visit.all("#reference img"))
    visit.click("#mix_run")
    visit.source("#mixed")
    assert Image.open(visit.download("#save_mixed")).size == (1024, 1024)


def test_nothing_is_loaded_from_another_host(visit, server):
    events = [json.loads(e["message"])["message"] for e in visit.driver.get_log("performance")]
    sent = {
        e["params"]["requestId"]: e["params"]["request"]["url"]
        for e in events
        if e["method"] == "Network.requestWillBeSent"
    }
    failed = [e["params"] for e in events if e["method"] == "Network.loadingFailed"]
    blocked = {f["requestId"] for f in failed if f.get("blockedReason") == "csp"}
    other = [r for r, url in sent.items() if url.startswith("http") and server.url not in url]
    assert sent and set(other) <= blocked, [sent[r] for r in other]


@pytest.fixture(scope="module")
def chinese(server, open_browser):
    """A visitor with a telephone and a Chinese browser."""
    browser = open_browser(400, "zh-CN")
    browser.open(server.url)
    return browser


def test_chinese_by_the_browser_english_by_the_switch(chinese):
    assert chinese.text("#status") == "请先选择一张有人脸的照片。"
    assert "一生" in [tab.text for tab in chinese.all("button[role=tab]")]
    width = "return document.documentElement.scrollWidth"
    assert chinese.driver.execute_script(width) <= 400
    chinese.click("#language input[value=en]")
    chinese.until(lambda: chinese.text("#status").startswith("Choose a photo"))
    assert "Lifespan" in [tab.text for tab in chinese.all("button[role=tab]")]
    chinese.click("#language input[value=zh]")
    chinese.until(lambda: chinese.text("#status").startswith("请先"))


def test_a_file_that_is_too_large_is_told_in_chinese(chinese, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    chinese.upload("#photo", tmp_path / "large.png")
    chinese.until(lambda: "文件超过 1 MB" in chinese.text("body"))
    chinese.open(chinese.driver.current_url)


def test_camera_without_a_face_is_told_in_plain_words(chinese):
    chinese.click(
        "#photo button[aria-label='Capture from camera'], #photo .source-selection button:nth-of-type(2)"
    )
    chinese.click(
        "#photo .access-webcam, #photo [title='grant webcam access'], #photo .wrap button"
    )
    chinese.click("#photo button[aria-label='capture photo']")
    chinese.until(lambda: "没有找到人脸" in chinese.text("#status"))
    assert not chinese.all("#face img")


def test_too_many_pixels_are_told(server, open_browser, tmp_path):
    browser = open_browser(800, "en-US")
    browser.open(server.url)
    Image.new("RGB", (1800, 1800)).save(tmp_path / "large.png")
    browser.upload("#photo", tmp_path / "large.png")
    browser.until(lambda: "at most 3 megapixels" in browser.text("#status"))
    browser.close()


def test_other_names_of_the_host_are_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/", headers={"Host": "elsewhere.example"})
    assert connection.getresponse().status == 400


def test_too_large_an_upload_is_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/config")
    prefix = json.loads(connection.getresponse().read()).get("api_prefix", "")
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body = head + bytes(2_000_000) + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", f"{prefix}/upload", body, kind)
    assert connection.getresponse().status == 413
    assert not [path for path in server.files() if path.stat().st_size >= 2_000_000]


def test_leaving_deletes_everything_and_ending_the_rest(visit, chinese, server):
    assert server.files()
    chinese.close()
    visit.close()
    end = time.monotonic() + 60
    while server.files() and time.monotonic() < end:
        time.sleep(0.2)
    assert not server.files()
    assert server.stop() == 0
    assert not list(server.folder.iterdir())
