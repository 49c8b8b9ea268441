"""Files that pretend to be photos: nothing runs, nothing hangs, each is named and the rest of the folder is done."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work.datasets.folders import ImageFolder
from work.datasets.images import FORMATS, ImageError, find_images, open_image, read_image
from work.errors import UserError
from work.report import Report

ROOT = Path(__file__).resolve().parents[2]
GOOD = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))

# Pillow hands PostScript to Ghostscript, which would loop here for ever.
POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 100 100
%%EndComments
{ } loop
%%EOF
"""

WATCHED = """
import sys
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in EVENTS else None)
from work.datasets.images import read_image
for path in sys.argv[1:]:
    try:
        read_image(path)
    except Exception as error:
        print(error)
assert not started, started
"""
EVENTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


def test_postscript_named_jpg_starts_no_process(tmp_path):
    for name in ("a.jpg", "b.png", "c.eps"):
        (tmp_path / name).write_bytes(POSTSCRIPT)
    fake = tmp_path / "bin" / "gs"  # found first, on machines with and without Ghostscript
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/it_was_run\nsleep 60\n")
    fake.chmod(0o755)
    paths = [str(tmp_path / name) for name in ("a.jpg", "b.png", "c.eps")]
    code = WATCHED.replace("EVENTS", repr(EVENTS))
    environment = {**os.environ, "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", code, *paths]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("not an image") == 3
    assert not (tmp_path / "it_was_run").exists()


def written(format: str) -> bytes:
    data = io.BytesIO()
    GOOD.save(data, format)
    return data.getvalue()


@pytest.mark.parametrize("format", ["PDF", "EPS", "ICO", "ICNS", "PCX", "TGA", "SGI", "IM", "DDS"])
def test_formats_that_photos_do_not_have_are_refused(tmp_path, format):
    path = tmp_path / "photo.jpg"
    path.write_bytes(written(format))
    with pytest.raises(ImageError, match="photo.jpg: not an image"):
        read_image(path)
    with pytest.raises(Image.UnidentifiedImageError):
        with open_image(io.BytesIO(written(format))):
            pass


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "PPM", "GIF"])
def test_formats_that_photos_have_are_read_whatever_their_name_is(tmp_path, format):
    path = tmp_path / "photo.xyz"
    path.write_bytes(written(format))
    assert read_image(path).size == GOOD.size and format in FORMATS


def test_pictures_are_opened_in_one_place():
    found = [
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.glob("work/**/*.py"), *ROOT.glob("convert_weights/*.py")]
        if re.search(r"\bImage\.open\(|\bimread\(", path.read_text(encoding="utf-8"))
    ]
    assert found == ["work/datasets/images.py"]


@pytest.fixture
def odd_files(tmp_path):
    """A folder with a photo between a FIFO, a socket, a device, a folder and a link to nowhere."""
    GOOD.save(tmp_path / "m.png")
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "itself.jpg").symlink_to(tmp_path / "itself.jpg")
    here = os.getcwd()
    os.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.jpg")
        os.chdir(here)
        yield tmp_path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_what_is_no_regular_file_is_named_and_the_rest_is_read(odd_files):
    start, report = time.time(), Report()
    found = list(ImageFolder(odd_files, read_image, report, 1, 2).batches())
    assert time.time() - start < 5
    assert [name.name for names, _ in found for name in names] == ["m.png"]
    reasons = {error.path.name: error.reason for error in report.failed}
    for name in ("fifo.jpg", "socket.jpg", "device.jpg"):
        assert reasons.pop(name) == "cannot be read (not a regular file)"
    assert set(reasons) == {"nowhere.jpg", "itself.jpg"}
    with pytest.raises(UserError, match="not a regular file: .*fifo.jpg"):
        find_images(odd_files / "fifo.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_file_that_becomes_a_fifo_between_two_looks_does_not_hang(odd_files, monkeypatch):
    regular = os.stat(odd_files / "m.png")
    monkeypatch.setattr("work.files.os.stat", lambda path: regular)  # what it was a moment ago
    start = time.time()
    with pytest.raises(ImageError, match="fifo.jpg: .*not a regular file"):
        read_image(odd_files / "fifo.jpg")
    assert time.time() - start < 5


def test_a_name_with_a_nul_is_named():
    with pytest.raises(ImageError, match=r"a\\x00.jpg: cannot be read"):
        read_image("a\0.jpg")


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b""])
def test_photos_with_damaged_exif_are_read(tmp_path, exif):
    GOOD.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(read_image(tmp_path / "a.png")), np.asarray(GOOD))


def test_float_pixels_beyond_all_bounds_make_no_noise(tmp_path, recwarn):
    """Found by fuzzing: two warnings of numpy about an overflow."""
    values = np.zeros((20, 20), np.float32)
    values[0, :4] = np.nan, -np.inf, -3e38, 0.5
    Image.fromarray(values).save(tmp_path / "a.tif")
    found = np.asarray(read_image(tmp_path / "a.tif"))[0, :5, 0]
    assert list(found) == [0, 0, 0, 128, 0] and not recwarn.list
