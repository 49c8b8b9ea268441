"""The page in a process of its own, and a real browser before it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds for anything that computes: machines that test are busy


class Server:
    """`web.py` on a free port; its temporary files lie below `folder`, what it says in a file beside it."""

    def __init__(self, folder: Path, *more: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{self.port}", folder
        flags = ["--refine=1", f"--port={self.port}", "--max_megapixels=3", "--max_upload_mb=1"]
        flags += ["--max_film_mb=1", *more]
        # GRADIO_IS_E2E_TEST: visitors are seen to leave at once and not after 15 s.
        env = {**os.environ, "TMPDIR": str(folder), "GRADIO_IS_E2E_TEST": "1"}
        self.log = folder.with_suffix(".log")
        with open(self.log, "w") as log:
            script = [sys.executable, str(ROOT / "work/scripts/web.py")]
            self.process = subprocess.Popen([*script, *flags], env=env, stdout=log, stderr=log)
        while "\nopen " not in self.said:
            if self.process.poll() is not None:
                pytest.fail(f"web.py ended: {self.said}")
            time.sleep(0.2)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory, fetched):
    pytest.importorskip("gradio", reason="the web page needs requirements-web.txt")
    for name in ("mtcnn", "age_v1", "mobile_stylegan", "alexnet", "lpips_alex", "dlib_face"):
        fetched(name)
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory):
    """A function: a headless Chromium of some width and language; its camera shows a test picture."""
    pytest.importorskip("selenium", reason="the browser tests need requirements-test.txt")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("NO BROWSER: apt-get install chromium chromium-driver to test the web page")
    opened = []

    def open_one(width: int, language: str) -> Browser:
        opened.append(Browser(chromium, driver, width, language, tmp_path_factory.mktemp("saved")))
        return opened[-1]

    yield open_one
    for browser in opened:
        browser.close()


class Browser:
    """What a visitor can do, by CSS selectors."""

    def __init__(self, chromium: str, driver: str, width: int, language: str, downloads: Path):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        flags = "headless=new no-sandbox disable-dev-shm-usage disable-gpu"
        flags += f" use-fake-device-for-media-stream use-fake-ui-for-media-stream lang={language}"
        for flag in flags.split():
            options.add_argument(f"--{flag}")
        languages = {"intl.accept_languages": language}
        options.add_experimental_option(
            "prefs", {**languages, "download.default_directory": str(downloads)}
        )
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.downloads, self.closed = downloads, False

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.until(lambda: self.all("#photo input[type=file]") and self.text("#status"))

    def all(self, selector: str) -> list:
        return self.driver.find_elements("css selector", selector)

    def text(self, selector: str) -> str:
        return self.all(selector)[0].text

    def until(self, condition, seconds: float = PATIENCE):
        """Wait for something true and return it; parts that are redrawn meanwhile are looked at again."""
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = condition()
            except (WebDriverException, IndexError):
                value = None
            if value:
                return value
            time.sleep(0.2)
        self.driver.save_screenshot(str(self.downloads / "late.png"))
        said = [part.text for part in self.all("#status")]
        return pytest.fail(f"waited in vain; the page says {said}")

    def listen(self, selector: str) -> None:
        """Note from now on whatever a part says, however briefly."""
        script = """
            const selector = arguments[0];
            window.heard = [];
            new MutationObserver(() => {
                const part = document.querySelector(selector);
                if (part && part.innerText != heard[heard.length - 1]) heard.push(part.innerText);
            }).observe(document.body, {subtree: true, childList: true, characterData: true});
        """
        self.driver.execute_script(script, selector)

    def heard(self) -> list[str]:
        """What the part of `listen` has said since."""
        return self.driver.execute_script("return window.heard")

    def click(self, selector: str) -> None:
        part = self.until(lambda: self.all(selector))[0]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", part)
        time.sleep(0.3)
        part.click()

    def upload(self, where: str, path: Path) -> None:
        self.until(lambda: self.all(f"{where} input[type=file]"))[0].send_keys(str(path))

    def source(self, where: str) -> str:
        return self.until(lambda: self.all(f"{where} img")[0].get_attribute("src"))

    def move_slider(self, where: str, value: int) -> None:
        from selenium.webdriver.common.keys import Keys

        number = self.all(f"{where} input[type=number]")[0]
        number.send_keys(Keys.CONTROL, "a")
        number.send_keys(str(value), Keys.TAB)

    def download(self, button: str) -> Path:
        """Click, and wait for the whole file."""
        before = set(self.downloads.iterdir())
        self.click(button)
        new = self.until(lambda: [p for p in set(self.downloads.iterdir()) - before if whole(p)])
        return new[0]

    def close(self) -> None:
        if not self.closed:
            self.driver.quit()
        self.closed = True


def whole(path: Path) -> bool:
    return path.suffix in (".jpg", ".mp4") and path.stat().st_size > 0
