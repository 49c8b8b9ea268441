"""Files are whole or absent, whatever happens: a full disk, a kill, another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work import files
from work.datasets.images import read_image, save_image
from work.errors import UserError
from work.files import atomic_write, check_folder, open_regular

ROOT = Path(__file__).resolve().parents[2]
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8))

FULL = """
import resource, sys
from pathlib import Path
from PIL import Image
from work.datasets.images import save_image
from work.errors import run
noise, target = Image.open(sys.argv[1]), Path(sys.argv[2])
noise.load()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(run(lambda: save_image(noise, target) and 0))
"""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm"])
def test_a_disk_that_runs_full_leaves_no_half_picture(tmp_path, suffix):
    """Pillow's own JPEG writer ignores short writes: the picture was cut off and counted as done."""
    pytest.importorskip("resource", reason="no limits on this system")
    NOISE.save(tmp_path / "noise.png")
    target = tmp_path / "out" / f"a{suffix}"
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "noise.png"), str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith(f"error: cannot write {target}: ")
    assert not list(target.parent.iterdir())


def test_a_full_file_system_is_named(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root only")
    try:
        with pytest.raises(UserError, match="a.jpg: No space left on device"):
            save_image(NOISE, tmp_path / "a.jpg")
        assert not list(tmp_path.iterdir())
        with pytest.raises(UserError, match="0 MB are free, about 5 MB are needed"):
            check_folder(tmp_path, 5_000_000)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch):
    save_image(NOISE, tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()

    def no_space(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)  # some file systems say it as late as here
    with pytest.raises(UserError, match="No space left"):
        save_image(Image.new("RGB", (40, 40)), tmp_path / "a.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
    assert (tmp_path / "a.jpg").read_bytes() == before
    assert read_image(tmp_path / "a.jpg").size == NOISE.size


def test_more_pixels_than_a_format_can_hold_are_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot write .*a.webp"):
        save_image(Image.new("RGB", (17_000, 16)), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())


def killed_while_writing(target: Path) -> Path:
    """The temporary file of a process that was killed."""
    code = "import sys, time\nfrom work.files import atomic_write\n"
    code += "with atomic_write(sys.argv[1]) as path:\n    print(path, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        left = Path(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
    return left


def write_as_a_new_process(target: Path) -> None:
    files._swept.clear()
    with atomic_write(target) as path:
        path.write_text("new")


@pytest.mark.skipif(os.name != "posix", reason="processes are not looked for on this system")
def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    left = killed_while_writing(tmp_path / "me_70.jpg")
    assert left.name.startswith(".me_70.") and left.suffix == ".jpg"
    write_as_a_new_process(tmp_path / "a.txt")
    assert left.exists()  # written to a moment ago: its process may live where it cannot be seen
    an_hour_ago = time.time() - 3600
    os.utime(left, (an_hour_ago, an_hour_ago))
    write_as_a_new_process(tmp_path / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_files_of_others_are_not_touched(tmp_path):
    with atomic_write(tmp_path / "mine.txt") as path:
        own = path.name
    names = [
        ".hidden.jpg",
        ".me_70.abcd1234.jpg",
        own,  # this process lives
        own.replace(files.HOST, "0" * 6 if files.HOST != "0" * 6 else "1" * 6),
        own.lstrip("."),
        f"{own}~",
    ]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 3600,) * 2)
    elsewhere = tmp_path / names[3].replace("mine", "old")
    elsewhere.touch()
    os.utime(elsewhere, (time.time() - 2 * files.LONG_AGO,) * 2)
    (tmp_path / f"{own[:-4]}.folder").mkdir()
    write_as_a_new_process(tmp_path / "mine.txt")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {*names, f"{own[:-4]}.folder", "mine.txt"}  # all but the day-old one


def test_a_folder_is_tried_out_before_anything_is_computed(tmp_path):
    check_folder(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=f"cannot write to {path}"):
            check_folder(path)
    with pytest.raises(UserError, match="about 1000000000000 MB are needed"):
        check_folder(tmp_path, 10**18)


def test_a_regular_file_opens_and_others_do_not(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    with open_regular(tmp_path / "a") as file:
        assert file.read() == b"123"
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
