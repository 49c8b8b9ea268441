"""Who waits, and what is kept of whom for how long; without a model or a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from work.faces.aligned import AlignedFace
from work.web.actions import Actions
from work.web.private import remove_dead_folders
from work.web.sessions import IDLE, RESULTS, Sessions
from work.web.studio import Studio
from work.web.worker import EACH, Busy, Worker


def upload(root: Path, name: str) -> Path:
    path = root / name / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes(b"photo")
    return path


def test_a_session_takes_its_files_with_it(tmp_path):
    sessions = Sessions(tmp_path, limit=3)
    session = sessions.get("me")
    first, second, style = (upload(tmp_path, name) for name in "abc")
    session.take("photo", first)
    session.take("photo", second)
    assert not first.parent.exists() and second.exists()
    session.take("reference", style)
    session.result("age", "aged.jpg").write_bytes(b"result")
    sessions.get("other").result("age", "aged.jpg").write_bytes(b"result")
    sessions.close("me")
    sessions.close("never came")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 1 and sessions.open.keys() == {"other"}


def test_idle_sessions_and_those_beyond_the_limit_are_forgotten(tmp_path):
    sessions = Sessions(tmp_path, limit=2)
    for key in ("a", "b"):
        sessions.get(key).photo = Image.new("RGB", (8, 8))
    a, b = (sessions.get(key) for key in "ab")
    sessions.get("a")
    sessions.make_room(sessions.get("c"))
    assert b.photo is None and a.photo is not None  # b's can be read again, from the upload
    a.used -= IDLE + 1
    sessions.get("c")
    assert sessions.open.keys() == {"b", "c"} and a.photo is None


def test_of_too_many_sessions_the_oldest_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("work.web.sessions.MOST", 2)
    sessions = Sessions(tmp_path, limit=1)
    for key in "abc":
        sessions.get(key)
    assert sessions.open.keys() == {"b", "c"}


def test_a_photo_that_two_visitors_sent_stays_until_both_have_left(tmp_path):
    sessions, path = Sessions(tmp_path, limit=3), upload(tmp_path, "a")
    for key in "ab":
        sessions.get(key).take("photo", path)
    sessions.close("a")
    assert path.exists()
    sessions.close("b")
    assert not path.exists()


def test_results_do_not_pile_up(tmp_path):
    session = Sessions(tmp_path, limit=3).get("a")
    for _ in range(RESULTS + 3):
        session.result("age", "aged.jpg").write_bytes(b"result")
    assert len(list(tmp_path.rglob("aged.jpg"))) == RESULTS
    session.result("film", "film.mp4").write_bytes(b"result")
    assert len(list(tmp_path.rglob("aged.jpg"))) == RESULTS  # each tab has its own


def test_what_nobody_claims_is_deleted_after_a_minute(tmp_path):
    sessions = Sessions(tmp_path, limit=3)
    fresh, late, taken = (upload(tmp_path, name) for name in "abc")
    session = sessions.get("me")
    session.take("photo", taken)
    result = session.result("age", "aged.jpg")
    result.write_bytes(b"result")
    for path in (late, taken, result):
        for part in (path, path.parent):
            os.utime(part, (0, 0))
    sessions.sweep()
    assert fresh.exists() and taken.exists() and result.exists() and not late.parent.exists()


def test_who_was_idle_for_an_hour_is_closed_though_nobody_else_comes(tmp_path):
    sessions = Sessions(tmp_path, limit=3)
    session, path = sessions.get("me"), upload(tmp_path, "a")
    session.take("photo", path)
    sessions.sweep()
    assert path.exists() and sessions.open
    session.used -= IDLE + 1
    sessions.sweep()
    assert not path.exists() and not sessions.open


SERVE = """
import time
from work.web.private import make_private_folder
print(make_private_folder(), flush=True)
time.sleep(99)
"""


def serve(folder: Path) -> tuple[subprocess.Popen, Path]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_page_is_removed_and_no_other(tmp_path):
    (killed, left), (alive, kept) = serve(tmp_path), serve(tmp_path)
    (left / "photo.jpg").write_bytes(b"photo")
    killed.kill()
    killed.wait()
    others = [tmp_path / f"{left.name}_x", tmp_path / left.name.replace("_sam_", "_spam_")]
    for other in others:
        other.mkdir()
    link = left.with_name(left.name[:-8] + "abcdefgh")
    link.symlink_to(others[0])
    remove_dead_folders(tmp_path)
    assert not left.exists() and kept.exists() and link.is_symlink()
    assert all(other.exists() for other in others)
    alive.kill()
    alive.wait()


def test_people_wait_in_turn_and_know_how_many_come_first():
    worker, go = Worker(limit=60), threading.Event()
    first = worker.submit("first", go.wait)
    jobs = [worker.submit(f"visitor {n}", lambda n=n: n) for n in range(50)]  # type: ignore[misc]
    assert [worker.ahead(job) for job in jobs] == list(range(1, 51))
    again = worker.submit("visitor 3", lambda: "again")
    assert worker.ahead(again) == 50  # people, and nobody waits for oneself
    worker.drop("visitor 7")
    assert worker.ahead(jobs[-1]) == 49 and jobs[7].future.cancelled()
    go.set()
    done = [job.future.result(5) for job in jobs if job is not jobs[7]]
    assert done == [*range(7), *range(8, 50)]
    assert first.future.result(5) and worker.ahead(first) == 0
    worker.close()


def test_a_full_queue_and_a_greedy_visitor_are_turned_away():
    worker, go = Worker(limit=EACH + 2), threading.Event()
    for _ in range(EACH):
        worker.submit("greedy", go.wait)
    with pytest.raises(Busy):
        worker.submit("greedy", go.wait)
    for name in "ab":
        worker.submit(name, go.wait)
    with pytest.raises(Busy):
        worker.submit("c", go.wait)
    go.set()
    worker.close()


def test_a_face_is_chosen_though_the_photo_was_freed(tmp_path, monkeypatch):
    studio, session = Studio.__new__(Studio), Sessions(tmp_path, limit=3).get("me")
    session.take("photo", upload(tmp_path, "a"))
    photo = Image.new("RGB", (300, 100))
    corners = np.array([[0.0, 0.0], [0.0, 50.0], [50.0, 50.0], [50.0, 0.0]])
    faces = [AlignedFace(photo, corners + [x, 0]) for x in (0, 100, 200)]
    monkeypatch.setattr(studio, "_read", lambda path: photo)
    monkeypatch.setattr(studio, "_find", lambda photo: faces)
    monkeypatch.setattr(Actions, "_drafted", lambda self, session, *_: session.which)
    studio.open_photo(session, tmp_path / "a.jpg", lambda share, key: None)
    session.rest()
    assert Actions(studio).choose(session, lambda share, key: None, 2, "draft", 70) == 2
