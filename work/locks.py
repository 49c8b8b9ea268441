"""Keeping a folder to one process, and making a file in one process at a time."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, TextIO, Union

from work.errors import UserError

LOCK = ".lock"


@contextmanager
def lock_folder(folder: Union[str, Path], flag: str) -> Iterator[None]:
    """Lock a folder against other processes that call this; created if missing, then removed if it stays empty.

    The lock is on the file `.lock` in it. The system releases it however the process ends, so a killed run blocks
    nobody. Where there is no flock (Windows, some network drives), nothing is locked.

    Args:
        flag: the flag that names the folder, for the error.

    Raises:
        UserError: another process is inside, or the folder cannot be written to.
    """
    folder = Path(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        handle = _take_lock(folder, flag)
    except OSError as error:
        raise UserError(f"{flag} {folder}: cannot be used: {error.strerror or error}") from error
    try:
        yield
    finally:
        if handle:
            (folder / LOCK).unlink(missing_ok=True)  # before the lock goes: it is still ours
            handle.close()
        with suppress(OSError):  # not empty: then they stay
            for path in missing:
                path.rmdir()


@contextmanager
def one_at_a_time(path: Union[str, Path]) -> Iterator[None]:
    """Let one process at a time make the file `path`; the others wait here, so they must look for it again.

    Where there is no flock (Windows, some network drives), nobody waits.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = _wait_for(lock)
    try:
        yield
    finally:
        if handle:
            lock.unlink(missing_ok=True)  # before the lock goes: it is still ours
            handle.close()


def _wait_for(lock: Path) -> TextIO | None:
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        handle = open(lock, "a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process ({lock.name[1:-5]})", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            handle.close()
            return None
        # The last holder has deleted the file: the lock to hold is that of a new one.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(lock)):
                return handle
        handle.close()


def _take_lock(folder: Path, flag: str) -> TextIO | None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        handle = open(folder / LOCK, "a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            process = handle.read(20).strip()
            handle.close()
            raise UserError(
                f"{flag} {folder}: process {process} is writing there; "
                f"wait for it to end, or choose another {flag}"
            ) from error
        except OSError:
            handle.close()
            return None
        # Between our open and our lock the last holder may have deleted the file: then try again.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(folder / LOCK)):
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
                return handle
        handle.close()
