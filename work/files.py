"""Atomic writes, opening regular files only, and checking output folders before anything is computed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator, Union

from work.errors import UserError, shown

HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
TEMPORARY = re.compile(r"\..*\.tmp-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-\w{8}(\.\w+)?")
JUST_NOW, LONG_AGO = 60, 86400  # seconds
_swept: set[Path] = set()


@contextmanager
def atomic_write(path: Union[str, Path]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else delete it.

    The temporary name keeps the suffix (savers choose the format by it) and starts with a dot, so that
    no folder scan takes it for a result. Parent folders are made. Temporary files that killed runs have left
    in the folder are removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    handle, name = tempfile.mkstemp(path.suffix, own_prefix(path.stem), path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until the disk has the file: a full or broken disk says so here at the latest."""
    with open(path, "rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (
                errno.EINVAL,
                errno.ENOTSUP,
            ):  # a file system that knows no fsync
                raise


def own_prefix(stem: str) -> str:
    """The prefix of a temporary file or folder that `sweep` removes if this process is killed."""
    return f".{stem[:40]}.tmp-{HOST}-{os.getpid()}-"


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders of killed runs; looks once per folder and process.

    Left alone: files written to in the last minute and, for a day, those of running processes and those of other
    machines, whose processes cannot be seen from here.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = TEMPORARY.fullmatch(entry.name)
            if match:
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                dead = match["host"] == HOST and not is_running(int(match["process"]))
                if age > LONG_AGO or (dead and age > JUST_NOW):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)


def is_running(process: int) -> bool:
    """Whether there is a process of this number; where that cannot be asked, True."""
    if os.name != "posix":
        return True  # os.kill would end it elsewhere
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def open_regular(path: Union[str, Path]) -> BinaryIO:
    """Open a regular file for reading; never blocks on a FIFO, a device or a socket.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    _check_regular(os.stat(path).st_mode, path)  # opening alone does things to some devices
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        _check_regular(os.fstat(handle).st_mode, path)  # it may have been replaced meanwhile
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check_regular(mode: int, path: Union[str, Path]) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_file(path: Union[str, Path], most: int) -> bytes:
    """The whole content of a regular file of up to `most` bytes.

    Raises:
        UserError: it cannot be read, is no regular file, or is larger.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise UserError(f"{path}: is too large: {size} bytes, at most {most} are expected")
            return file.read(most)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def check_folder(folder: Union[str, Path], needed: int = 0) -> None:
    """Check an output folder before anything is computed for it; missing folders are not created yet.

    Args:
        needed: bytes that will be written, roughly.

    Raises:
        UserError: it cannot be written to, or too little space is free.
    """
    place = Path(folder)
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise UserError(f"cannot write to {shown(folder)}: {error.strerror or error}") from error
    if free < needed:
        name, unit = ("MB", 1e6) if needed >= 1e6 else ("kB", 1e3)
        raise UserError(
            f"{shown(folder)}: {free / unit:.0f} {name} are free, about {needed / unit:.0f} {name} are needed"
        )


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of all files together; those that are not there are left out."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def refuse_replacing(originals: Iterable[Path], results: Iterable[Path], noun: str) -> None:
    """Raise UserError if a result would be written over one of the originals, called `noun`: "photos"."""
    kept = {path.resolve() for path in originals}
    for out in results:
        if out.resolve() in kept:
            raise UserError(f"{out} is one of the {noun} and would be replaced; choose another OUT")
