"""What tests of several folders share: a real SAM, small, and a folder of photos."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from PIL import Image

from tests.golden_weights import save_light_sam, save_tiny_sam

# The workers of pytest-xdist share the cores, as ranks on one machine do.
os.environ.setdefault("PADDLE_LOCAL_SIZE", os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


# Files whose tests take longest, which begin first: at the end one worker would wait for the other.
LONGEST = (
    "test_notebook",
    "test_page_in_browser",
    "test_engines",
    "test_small_sam_engines",
    "test_train",
)


def pytest_collection_modifyitems(items):
    def place(item) -> int:
        return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works():
    """Processes of tests inherit it; shells let those that they start in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_sam(tmp_path_factory):
    """The path of a `.pdparams` file whose pictures depend on the age."""
    return save_tiny_sam(tmp_path_factory.mktemp("weights") / "tiny_sam.pdparams")


@pytest.fixture(scope="session")
def light_sam(tmp_path_factory):
    """The same, for tests that age many faces: its encoders are light."""
    return save_light_sam(tmp_path_factory.mktemp("weights") / "light_sam.pdparams")


@pytest.fixture
def photos(tmp_path):
    """A folder with three pictures of different shapes and two files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (64, 64)), ("b.jpg", (90, 120)), ("c.png", (256, 256))):
        grid = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(grid).resize(size, Image.BICUBIC).save(folder / name)
    (folder / "broken.jpg").write_bytes((folder / "b.jpg").read_bytes()[:300])
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not an image")
    return folder
