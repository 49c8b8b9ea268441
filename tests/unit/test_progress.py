"""Signs of life: a bar on a terminal, lines in a log, seconds at the end."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from work.progress import _say_loading, loading, progress, say, spoken

LOOP = """
import time
from work.progress import progress, say
for number in progress(range(4), unit="photo", label="ageing", every=0.2):
    say(f"photo {number}")
    time.sleep(0.15)
"""

ROOT = Path(__file__).resolve().parents[2]
GRID_SCRIPTS = (
    "inference",
    "inference_side_by_side",
    "reference_guided_inference",
    "style_mixing",
    "inference_cyclegan",
)
WITH_SLOW_PADDLE = """
import importlib, sys
from work import progress
progress.PATIENCE = 0
for command in sys.argv[1:]:
    name, *words = command.split()
    try:
        importlib.import_module(f"work.scripts.{name}").main(words)
    except ImportError:
        print(name, "needs Paddle", file=sys.stderr)
    progress._say_loading.cache_clear()
"""


def test_a_log_gets_a_line_now_and_then_and_the_seconds_at_the_end(capsys):
    with progress(total=3, unit="photo", label="ageing", every=0.1) as bar:
        time.sleep(0.15)
        bar.update()
        bar.set_note("LPIPS 0.25")
        time.sleep(0.1)
        bar.update(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ageing: 0/3 photo, 0.1 s"  # a slow first item is not silence
    assert re.fullmatch(r"ageing: 1/3 photo, 0\.\d s, about 0\.\d s left, LPIPS 0\.25", lines[1])
    assert re.fullmatch(r"ageing: 3/3 photo in 0\.\d s", lines[-1])


def test_a_part_of_an_item_counts(capsys):
    with progress(total=2, unit="photo", every=0.1) as bar:
        bar.reach(1 / 3)
        bar.reach(0.2)  # never back
        time.sleep(0.15)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("0.33/2 photo, 0.1 s, about")
    assert lines[-1].startswith("0.33/2 photo in")


def test_what_was_done_before_took_no_time(capsys):
    with progress(total=100, every=0.1, done=98) as bar:
        bar.update()
        time.sleep(0.15)
    assert re.match(r"99/100 img, 0\.\d s, about 0\.\d s left", capsys.readouterr().err)


def test_items_pass_through_and_are_counted(capsys):
    assert list(progress(["a", "b"])) == ["a", "b"]
    assert list(progress(iter("abc"), unit="frame")) == ["a", "b", "c"]  # of unknown number
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" in ")[0] for line in lines] == ["2/2 img", "3 frame"]
    with progress(unit="byte") as bar:
        bar.update(5)
    assert capsys.readouterr().err.startswith("5 byte in")


def test_a_loop_that_breaks_off_says_how_far_it_came(capsys):
    with pytest.raises(KeyboardInterrupt):
        for number in progress(range(5)):
            if number == 2:
                raise KeyboardInterrupt
    assert capsys.readouterr().err.startswith("2/5 img in")


def test_an_inner_loop_leaves_nothing(capsys):
    list(progress(range(5), leave=False))
    assert capsys.readouterr().err == ""


def test_no_thread_outlives_its_loop(capsys):
    list(progress(range(2), every=0.05))
    said = capsys.readouterr().err
    time.sleep(0.15)
    assert said and capsys.readouterr().err == ""


def run_on_terminal(columns: int) -> tuple[subprocess.CompletedProcess, str]:
    """Run LOOP with stderr on a pseudo-terminal; the process, and what the terminal was sent."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    done = subprocess.run(
        [sys.executable, "-c", LOOP], stderr=slave, stdout=subprocess.PIPE, text=True, check=True
    )
    os.close(slave)
    sent = os.read(master, 100_000).decode()
    os.close(master)
    return done, sent


def test_a_terminal_sees_a_bar_and_a_log_sees_none():
    shown, bar = run_on_terminal(columns=80)
    assert "ageing:" in bar and "\r" in bar and "2/4" in bar
    assert re.search(r"ageing: 4/4 photo in \d\.\d s\s*$", bar)
    logged = subprocess.run(
        [sys.executable, "-c", LOOP], capture_output=True, text=True, check=True
    )
    assert "\r" not in logged.stderr and len(logged.stderr.splitlines()) >= 3
    assert shown.stdout == logged.stdout == "".join(f"photo {i}\n" for i in range(4))


def test_a_terminal_of_unknown_width_gets_the_lines_of_a_log():
    sent = run_on_terminal(columns=0)[1]
    assert "\x1b" not in sent and re.search(r"ageing: [1-3]/4 photo, 0\.\d s", sent)


def test_loading_is_said_once_and_only_if_it_takes_a_while(monkeypatch, capsys):
    monkeypatch.setattr("work.progress.PATIENCE", 0.05)
    _say_loading.cache_clear()
    with loading():
        pass
    time.sleep(0.15)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        with loading():
            time.sleep(0.3)
    assert capsys.readouterr().err == "loading the networks\n"


def test_the_sign_of_life_imports_nothing(tmp_path):
    """It comes from a thread while another one imports Paddle: two that import can wait for each other forever."""
    code = """import builtins, sys, threading
from work.progress import _say_loading
real, seen = builtins.__import__, []
def watched(name, *rest):
    seen.append(name)
    return real(name, *rest)
builtins.__import__ = watched
thread = threading.Thread(target=_say_loading)
thread.start()
thread.join()
assert not seen, seen
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == "loading the networks\n", ran.stderr


def test_scripts_give_a_sign_of_life_while_they_import_paddle(tmp_path):
    (tmp_path / "paddle.py").write_text("import time; time.sleep(0.2); raise ImportError")
    commands = [
        "age_photo me.jpg",
        "lifespan_video me.jpg me.mp4",
        "project me.jpg",
        *(f"{name} --exp_dir out --data_path faces" for name in GRID_SCRIPTS),
        "calc_all --data_path results --gt_path faces",
        "calc_losses_on_images --data_path results --gt_path faces",
        "train --exp_dir run --train_root faces --test_root faces",
        "train_cyclegan --exp_dir run --method fa-gan --train_root faces --test_root faces",
        "export --checkpoint_path sam.pdparams --out graphs",
    ]
    ran = subprocess.run(
        [sys.executable, "-c", WITH_SLOW_PADDLE, *commands],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = [command.split()[0] for command in commands]
    assert ran.stderr == "".join(f"loading the networks\n{name} needs Paddle\n" for name in names)


def test_what_is_said_is_not_held_back():
    pipe = io.BytesIO()
    stream = io.TextIOWrapper(pipe, newline="\n")
    say("photo 1 of 2", to=stream)
    assert pipe.getvalue() == b"photo 1 of 2\n"


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_times_are_spoken(seconds, text):
    assert spoken(seconds) == text
