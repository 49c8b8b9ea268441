"""What the page knows about its visitors: one photo each, in memory and in a folder that goes with them."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from paddle import Tensor
from PIL import Image

from work.faces.aligned import AlignedFace
from work.inference.photos import Subject

IDLE = 3600  # seconds without use after which a session is forgotten


@dataclass
class Session:
    """One visitor.

    Attributes:
        folder: for results; deleted with the session.
        uploads: files that the visitor sent, deleted with the session or when they are replaced.
        photo, name, faces: the current photo, its name without suffix, and the faces in it.
        subjects: what the model knows about the faces (inverted once each), by number.
        which: number of the face that is aged.
        reference: path and code of the latest style photo.
        said: key and values of the latest message.
    """

    folder: Path
    uploads: dict[str, Path] = field(default_factory=dict)
    photo: Optional[Image.Image] = None
    name: str = "photo"
    faces: list[AlignedFace] = field(default_factory=list)
    subjects: dict[int, Subject] = field(default_factory=dict)
    which: int = 0
    reference: Optional[tuple[Path, Tensor]] = None
    said: tuple[str, dict[str, Any]] = field(default=("hello", {}))
    used: float = field(default_factory=time.monotonic)

    def take(self, kind: str, path: Optional[Path]) -> None:
        """Remember an upload and delete the one that it replaces."""
        old = self.uploads.pop(kind, None)
        if path is not None:
            self.uploads[kind] = path
        if old is not None and old not in self.uploads.values():
            delete_upload(old)

    def forget_photo(self) -> None:
        self.photo, self.faces, self.subjects, self.which = None, [], {}, 0

    def result(self, name: str) -> Path:
        """A new place for a result; the name is what a download is called."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
        return folder / name

    def close(self) -> None:
        """Delete everything."""
        for kind in list(self.uploads):
            self.take(kind, None)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.forget_photo()
        self.reference = None


def delete_upload(path: Path) -> None:
    """Delete a file and the folder that Gradio made for it alone."""
    path.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:
        pass  # not empty: the same photo was sent under another name


class Sessions:
    """All visitors by Gradio's session hash.

    Args:
        root: private folder of the page.
        limit: how many are kept; beyond it the one unused longest is closed.
    """

    def __init__(self, root: Path, limit: int):
        self.root, self.limit = root, limit
        self.open: dict[str, Session] = {}
        self.lock = threading.Lock()

    def get(self, key: str) -> Session:
        """The visitor's session, made on first use; idle ones are closed on the way."""
        now = time.monotonic()
        with self.lock:
            others = sorted((s.used, k) for k, s in self.open.items() if k != key)
            surplus = max(0, len(others) + 1 - self.limit)
            late = [k for i, (used, k) in enumerate(others) if i < surplus or now - used > IDLE]
            closed = [self.open.pop(k) for k in late]
            if key not in self.open:
                self.open[key] = Session(self.root / secrets.token_hex(16))
            session = self.open[key]
            session.used = now
        for old in closed:
            old.close()
        return session

    def close(self, key: str) -> None:
        """Forget a visitor; nothing happens if there is none."""
        with self.lock:
            session = self.open.pop(key, None)
        if session is not None:
            session.close()
