"""Ctrl-C and kill, sent to real processes: one line, the shell's exit code, no traceback of anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

# Most of the time is spent in code that Paddle's backward pass calls, as in the inversion of a face.
BACKWARD = """
import sys, time
import paddle
from work import runtime
from work.errors import run

class Slow(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        print("backward", flush=True)
        for _ in range(20):
            time.sleep(0.01)
        return 2 * gradient

def main():
    runtime.setup("cpu")
    x = paddle.ones([3])
    x.stop_gradient = False
    while True:
        Slow.apply(x).sum().backward()

sys.exit(run(main))
"""

# A library that catches what it should not, e.g. another language's binding.
TRANSLATED = """
import sys, time
from work.errors import run

def main():
    print("backward", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        raise OSError("(External) KeyboardInterrupt")

sys.exit(run(main))
"""

WORKERS = """
import sys, time
from work.errors import run
from work.workers import run_parallel

def state():
    pass

def item(_, number):
    print("backward", flush=True)
    time.sleep(0.5)

def main():
    for _ in run_parallel(item, range(100), 2, state):
        pass

if __name__ == "__main__":
    sys.exit(run(main))
"""


def stop(
    script: Path, code: str, number: int, group: bool = False, until: Path | None = None
) -> tuple[int, str]:
    """Run `code`, send a signal once it computes: the exit code and stderr, within a minute.

    Args:
        group: the signal goes to its child processes too.
        until: a folder; it computes once a picture is there.
    """
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    for line in process.stdout:
        if "backward" in line:
            break
    while until and not list(until.glob("*.png")) and process.poll() is None:
        time.sleep(0.05)
    (os.killpg if group else os.kill)(process.pid, number)
    try:
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    return process.returncode, error


@pytest.mark.parametrize("code", [BACKWARD, TRANSLATED], ids=["backward", "translated"])
@pytest.mark.parametrize(
    "number, verb", [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_one_line_and_the_shells_exit_code(tmp_path, code, number, verb):
    line = f"{verb}: every file written so far is whole\n"
    assert stop(tmp_path / "script.py", code, number) == (128 + number, line)


def test_ctrl_c_reaches_no_worker(tmp_path):
    """A terminal sends SIGINT to every process; the parent alone answers."""
    line = "interrupted: every file written so far is whole\n"
    assert stop(tmp_path / "script.py", WORKERS, signal.SIGINT, group=True) == (130, line)


def test_what_the_parent_ignores_stays_ignored(tmp_path):
    code = "from work.errors import run\nimport signal\n"
    code += "run(lambda: print(signal.getsignal(signal.SIGINT).name) or 0)"
    command = f'trap "" INT; exec "{sys.executable}" -c \'{code}\''
    result = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "SIG_IGN\n", result.stderr


def test_ctrl_c_drops_what_waits_in_threads(tmp_path):
    """Resizing thousands of faces: the pictures in hand are finished, the others are not begun."""
    (tmp_path / "faces").mkdir()
    Image.effect_noise((2000, 2000), 80).save(tmp_path / "faces" / "0.png")
    for number in range(1, 400):
        os.link(tmp_path / "faces" / "0.png", tmp_path / "faces" / f"{number}.png")
    code = "import sys\nfrom work.errors import run\nfrom work.scripts.prepare_data import main\n"
    code += "print('backward', flush=True)\n"
    code += f"sys.exit(run(lambda: main(['--data_path={tmp_path / 'faces'}', "
    code += f"'--out_path={tmp_path / 'out'}', '--size=1024'])))"
    returned, error = stop(tmp_path / "script.py", code, signal.SIGINT, until=tmp_path / "out")
    assert returned == 130 and error.endswith("interrupted: every file written so far is whole\n")
    written = list((tmp_path / "out").iterdir())
    assert 0 < len(written) < 300
    assert not [path for path in written if path.name.startswith(".")]
