"""Folders in, folders of pictures out: reading ahead, naming results, writing in the background."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Optional, Union

from PIL import Image

from work import runtime
from work.datasets.images import ImageError, find_images, save_image, writable_name
from work.errors import UserError
from work.progress import Progress, progress
from work.report import Report


class ImageFolder:
    """The images of a folder, read ahead by threads and handed out in batches.

    Args:
        root: an image or a folder.
        read: what is done with each path in a reading thread; it may raise ImageError.
        report: gets every file that cannot be read.
        batch_size: images per batch; the last batch may be smaller.
        workers: reading threads; 0 reads in the caller's.
        n_images: stop after this many files, None for all.

    Raises:
        UserError: no such folder, or no image in it.
    """

    def __init__(
        self,
        root: Union[str, Path],
        read: Callable[[Path], Any],
        report: Report,
        batch_size: int = 1,
        workers: int = 0,
        n_images: Optional[int] = None,
    ):
        root = Path(root)
        self.read, self.report = read, report
        self.batch_size, self.workers = batch_size, workers
        self.paths = find_images(root)[:n_images]
        self.names = result_names(self.paths, root)
        self._keep_own_share()
        self._bar: Optional[Progress[None]] = None
        self._before, self._handed_out = 0.0, 0

    def _keep_own_share(self) -> None:
        """Under Paddle's launcher, keep this rank's share in whole batches, so that the results stay the same."""
        rank, world = runtime.rank_and_world()
        own = [i for i in range(len(self.paths)) if i // self.batch_size % world == rank]
        self.paths, self.names = [self.paths[i] for i in own], [self.names[i] for i in own]

    def _try(self, path: Path) -> Any:
        try:
            return self.read(path)
        except ImageError as error:
            return error

    def _read_ahead(self) -> Iterator[Any]:
        if not self.workers:
            yield from map(self._try, self.paths)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque = deque()
            for path in self.paths:
                ahead.append(pool.submit(self._try, path))
                if len(ahead) > self.workers + self.batch_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def move(self, share: float) -> None:
        """Move the progress bar: so much of the current batch is done, 0 to 1."""
        assert self._bar is not None
        self._bar.reach(self._before + share * self._handed_out)

    def batches(self) -> Iterator[tuple[list[Path], list[Any]]]:
        """Yield the names of a batch's results and what `read` returned for each, under a progress bar."""
        names: list[Path] = []
        images: list[Any] = []
        with progress(total=len(self.paths), unit="img") as bar:
            self._bar = bar
            for name, image in zip(self.names, self._read_ahead()):
                if isinstance(image, ImageError):
                    self.report.failed.append(image)
                    bar.update()
                    continue
                names.append(name)
                images.append(image)
                if len(names) == self.batch_size:
                    yield self._hand_out(names), images
                    self.move(1)
                    names, images = [], []
            if names:
                yield self._hand_out(names), images
                self.move(1)

    def _hand_out(self, names: list[Path]) -> list[Path]:
        assert self._bar is not None
        self._before, self._handed_out = self._bar.done, len(names)
        return names


def without_results(paths: list[Path], source: Path, target: Path) -> list[Path]:
    """The images below a folder, but for the results of an earlier run in a folder `target` within it.

    Raises:
        UserError: there are no others.
    """
    inside, whole = target.resolve(), source.resolve()
    if whole not in inside.parents:
        return paths
    found = [path for path in paths if inside not in path.resolve().parents]
    if not found:
        raise UserError(f"no image in {source} but those in {target}")
    return found


def result_names(paths: list[Path], root: Path, suffix: str | None = None) -> list[Path]:
    """A name for the results of each file: its path below `root`; names are unique, ignoring case.

    Formats that cannot be written (HEIC, GIF, ...) become PNG; if two names clash, the old suffix stays in the name.

    Args:
        suffix: of all results; by default each keeps its own.
    """
    base = root if root.is_dir() else root.parent

    def written(name: Path) -> Path:
        return writable_name(name) if suffix is None else name.with_suffix(suffix)

    names = [path.relative_to(base) for path in paths]
    counts = Counter(_folded(written(name)) for name in names)
    taken = {name for name, count in counts.items() if count == 1}
    results = []
    for name in names:
        result = written(name)
        if counts[_folded(result)] > 1:
            long = written(name.with_name(f"{name.stem}_{name.suffix[1:]}{name.suffix}"))
            result = free_name(long, lambda path: _folded(path) not in taken)
            taken.add(_folded(result))
        results.append(result)
    return results


def _folded(name: Path) -> str:
    return str(name).lower()


def free_name(path: Path, is_free: Callable[[Path], bool]) -> Path:
    """The path, or the first of path_2, path_3, ... that is free."""
    numbers = itertools.count(2)
    free = path
    while not is_free(free):
        free = path.with_name(f"{path.stem}_{next(numbers)}{path.suffix}")
    return free


class Writer:
    """Saves pictures in the background; at most `queue` wait, so memory stays flat.

    Used as a context manager: leaving it waits for the last picture and raises the first error.
    """

    def __init__(self, threads: int = 2, queue: int = 8):
        self.pool = ThreadPoolExecutor(threads)
        self.room = threading.Semaphore(queue)
        self.errors: list[BaseException] = []

    def save(self, picture: Image.Image, path: Path) -> None:
        """Write `picture` to `path` soon."""
        self._raise()
        self.room.acquire()
        self.pool.submit(save_image, picture, path).add_done_callback(self._finish)

    def _finish(self, future: Future) -> None:
        self.room.release()
        error = future.exception()
        if error is not None:
            self.errors.append(error)

    def _raise(self) -> None:
        if self.errors:
            raise self.errors[0]

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.pool.shutdown(wait=True)
        if kind is None:
            self._raise()
