"""Writing files whole or not at all, and keeping a folder to one process."""

from __future__ import annotations

import contextlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, TextIO, Union

from work.errors import UserError

LOCK = ".lock"


@contextmanager
def atomic_write(path: Union[str, Path]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else delete it.

    The temporary name keeps the suffix (savers choose the format by it) and starts with a dot, so that
    no folder scan takes it for a result. Parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def lock_folder(folder: Union[str, Path], flag: str) -> Iterator[None]:
    """Keep other processes that call this out of a folder; made if need be, removed again if it stays empty.

    What is locked is the file `.lock` in it. The system drops the lock when the process ends, however that happens,
    so a killed run keeps nobody out. Where there is no flock (Windows, some network drives), nothing is locked.

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
        with contextlib.suppress(OSError):  # not empty: then they stay
            for path in missing:
                path.rmdir()


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
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(folder / LOCK)):
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
                return handle
        handle.close()
