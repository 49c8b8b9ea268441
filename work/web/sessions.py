"""What the page knows about its visitors: one photo each, in memory and in a folder that goes with them."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, DefaultDict, Deque, Dict, Optional, Tuple

from paddle import Tensor
from PIL import Image

from work.faces.aligned import AlignedFace
from work.inference.photos import Subject
from work.web.private import Uploads

IDLE = 3600  # seconds without use after which a session is forgotten
MOST = 256  # sessions; beyond it the one unused longest is closed
RESULTS = 60  # files of each tab that a visitor can still download; older ones are deleted
Said = Tuple[str, Dict[str, Any]]  # key of a text, and its values


@dataclass
class Session:
    """One visitor.

    Attributes:
        folder: for results; deleted with the session.
        shared: all visitors' uploads.
        uploads: files that the visitor sent, released with the session or when they are replaced.
        photo, name, faces: the current photo, its name without suffix, and the faces in it.
        subjects: what the model knows about the faces (learned once each), by number and quality.
        which: number of the face that is aged.
        reference: path and quality, and code, of the latest style photo.
        shown_quality: that of the pictures that are shown.
        language: of the page.
        said: the latest message in each place of the page.
        stopped: set when the visitor no longer wants the film that is being made.
        used: when it was last used.
        results: folders of what can be downloaded, by tab, oldest first.
    """

    folder: Path
    shared: Uploads
    uploads: dict[str, Path] = field(default_factory=dict)
    photo: Optional[Image.Image] = None
    name: str = "photo"
    faces: list[AlignedFace] = field(default_factory=list)
    subjects: dict[tuple[int, str], Subject] = field(default_factory=dict)
    which: int = 0
    reference: Optional[tuple[tuple[Path, str], Tensor]] = None
    shown_quality: Optional[str] = None
    language: str = "en"
    said: dict[str, Said] = field(default_factory=lambda: {"status": ("hello", {})})
    stopped: threading.Event = field(default_factory=threading.Event)
    used: float = field(default_factory=time.monotonic)
    results: DefaultDict[str, Deque[Path]] = field(default_factory=partial(defaultdict, deque))

    def take(self, kind: str, path: Optional[Path]) -> None:
        """Remember an upload and release the one that it replaces."""
        if path is not None:
            self.shared.claim(path)
        old = self.uploads.pop(kind, None)
        if path is not None:
            self.uploads[kind] = path
        if old is not None:
            self.shared.release(old)

    def rest(self) -> None:
        """Free the memory; the upload stays, so that all of it can be computed again."""
        self.photo, self.faces, self.subjects, self.reference = None, [], {}, None

    def result(self, tab: str, name: str) -> Path:
        """A new place for a result of a tab; the name is what a download is called."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
        kept = self.results[tab]
        kept.append(folder)
        if len(kept) > RESULTS:
            shutil.rmtree(kept.popleft(), ignore_errors=True)
        return folder / name

    def close(self) -> None:
        """Delete everything."""
        for kind in list(self.uploads):
            self.take(kind, None)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.rest()


class Sessions:
    """All visitors by Gradio's session hash.

    Args:
        root: private folder of the page.
        limit: of how many the photos are kept in memory.
    """

    def __init__(self, root: Path, limit: int):
        self.root, self.limit, self.shared = root, limit, Uploads(root)
        self.open: dict[str, Session] = {}
        self.lock = threading.Lock()

    def get(self, key: str) -> Session:
        """The visitor's session, made on first use; idle ones are closed on the way."""
        with self.lock:
            closed = self._late(key)
            if key not in self.open:
                folder = self.root / secrets.token_hex(16)
                self.open[key] = Session(folder, self.shared)
            session = self.open[key]
            session.used = time.monotonic()
        for old in closed:
            old.close()
        return session

    def _late(self, key: Optional[str] = None) -> list[Session]:
        """Take out those that were idle for too long or are too many, but never `key`'s."""
        now = time.monotonic()
        others = sorted((s.used, k) for k, s in self.open.items() if k != key)
        surplus = max(0, len(others) + 1 - MOST)
        late = [k for i, (used, k) in enumerate(others) if i < surplus or now - used > IDLE]
        return [self.open.pop(k) for k in late]

    def make_room(self, session: Session) -> None:
        """Free the memory of those unused longest, so that with this one at most `limit` hold photos."""
        with self.lock:
            others = [s for s in self.open.values() if s is not session and s.photo is not None]
        others.sort(key=lambda other: other.used)
        for other in others[: max(0, len(others) + 1 - self.limit)]:
            other.rest()

    def close(self, key: str) -> None:
        """Forget a visitor; nothing happens if there is none."""
        with self.lock:
            session = self.open.pop(key, None)
        if session is not None:
            session.close()

    def sweep(self) -> None:
        """Close idle visitors, and delete what belongs to none."""
        with self.lock:
            closed = self._late()
            kept = {session.folder for session in self.open.values()}
        for old in closed:
            old.close()
        self.shared.sweep(kept)
