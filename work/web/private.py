"""The private folder that holds everything of the visitors: who needs which upload, and what nobody needs any more."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from work.files import HOST, is_running

# Seconds from an upload's last byte to the request that names it; Gradio's page takes one.
UNCLAIMED = 60
NAME = "paddle_sam_web_{host}_{process}_"


def make_private_folder() -> Path:
    """A new folder into which only its owner can look. Those of pages that were killed are removed first."""
    remove_dead_folders(Path(tempfile.gettempdir()))
    return Path(tempfile.mkdtemp(prefix=NAME.format(host=HOST, process=os.getpid())))


def remove_dead_folders(parent: Path) -> None:
    """Remove the folders of this user's pages on this machine whose process is gone."""
    pattern = re.compile(NAME.format(host=HOST, process=r"(\d+)") + r"\w{8}")
    for path in parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match and _is_own_folder(path) and not is_running(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    with suppress(OSError):
        found = path.lstat()  # a link is not followed
        return stat.S_ISDIR(found.st_mode) and found.st_uid == getattr(os, "getuid", lambda: 0)()
    return False


class Uploads:
    """The uploads below the private folder, each in a folder that Gradio names after its content.

    So two visitors with the same photo share a file: it stays until the last of them has released it.
    """

    def __init__(self, root: Path):
        self.root, self.lock = root, threading.Lock()
        self.claims: Counter[Path] = Counter()

    def claim(self, path: Path) -> None:
        """Somebody needs this upload."""
        with self.lock:
            self.claims[path] += 1

    def release(self, path: Path) -> None:
        """Somebody does not need it any more; the last one's release deletes it."""
        with self.lock:
            self.claims[path] -= 1
            if self.claims[path] > 0:
                return
            del self.claims[path]
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty: the same photo was sent under another name
                path.parent.rmdir()

    def sweep(self, kept: set[Path]) -> None:
        """Delete what lies in the private folder and belongs to nobody: uploads whose request was turned away.

        Args:
            kept: folders of the visitors who are there.
        """
        with self.lock:
            needed = kept | {path.parent for path in self.claims}
            for path in set(self.root.iterdir()) - needed:
                if time.time() - _last_written(path) > UNCLAIMED:
                    _remove(path)


def _last_written(path: Path) -> float:
    """The time at which a file, or anything in a folder, was last written to."""
    with suppress(OSError):
        return max(part.lstat().st_mtime for part in (path, *path.rglob("*")))
    return time.time()  # it is being changed right now


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
