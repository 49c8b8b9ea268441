"""Many items in several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import paddle
import pytest

from work.errors import UserError
from work.runtime import cpu_count
from work.workers import run_parallel


def make(factor):
    return factor


def times(factor, item):
    return factor * item, os.getpid()


def end(_, item):
    os._exit(3)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_once(workers):
    found = list(run_parallel(times, list(range(20)), workers, make, (3,)))
    assert sorted(value for value, _ in found) == [3 * i for i in range(20)]
    here = {pid for _, pid in found} == {os.getpid()}
    assert here == (workers < 2)


def test_nothing_to_do():
    assert list(run_parallel(times, [], 2, make, (3,))) == []


def test_a_dead_worker_is_a_clear_error():
    with pytest.raises(UserError, match="num_threads"):
        list(run_parallel(end, [1, 2, 3], 2, make, (3,)))


def test_a_worker_has_one_thread_and_the_caller_keeps_its_own(monkeypatch):
    set_to = []
    monkeypatch.setattr(paddle.base.core, "set_num_threads", set_to.append)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = run_parallel(lambda _, item: set_to[-1], ["one item"], 1, make, (3,), "cpu")
    assert list(threads) == [1]
    assert set_to[-1] == cpu_count()


def make_nothing():
    raise UserError("the weights are missing")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_worker_cannot_load_is_said(workers):
    with pytest.raises(UserError, match="the weights are missing"):
        list(run_parallel(times, [1, 2, 3], workers, make_nothing))


ENDLESS = """
import os, time
from work.errors import run
from work.workers import run_parallel

def make():
    os.write(1, b"%d\\n" % os.getpid())  # in one piece, also where Python does not buffer its output

def forever(_, item):
    time.sleep(60)

def main():
    import paddle
    return sum(1 for _ in run_parallel(forever, list(range(9)), 2, make))

if __name__ == "__main__":
    raise SystemExit(run(main))
"""


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_parent(how, tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "endless.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(how)
    if (
        how == signal.SIGTERM
    ):  # what the workers are at is waited for, but never a trace of Paddle's
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
    _, said = parent.communicate(timeout=30)
    assert "SIGTERM" not in said and "Fatal" not in said
    until = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
