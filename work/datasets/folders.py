"""Folders of faces in, folders of pictures out: reading ahead, naming, writing behind, counting failures."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

import numpy as np
import paddle
from PIL import Image
from tqdm import tqdm

from work import runtime
from work.datasets.images import ImageError, find_images, read_image, save_image
from work.datasets.transforms import to_input


@dataclass
class Face:
    """One aligned input: its file, the name of its results, the picture, the network's input [3, 256, 256]."""

    path: Path
    name: Path
    picture: Image.Image
    values: np.ndarray


@dataclass
class Report:
    """What was done and what could not be."""

    done: int = 0
    failed: list[ImageError] = field(default_factory=list)

    def exit_code(self) -> int:
        """0 all done (or this process had nothing to do), 1 some failed, 2 all failed."""
        return 0 if not self.failed else 1 if self.done else 2

    def close(self, where: Path) -> int:
        """Print the failures and where the results are; return the exit code."""
        for error in self.failed:
            print(f"failed: {error}", file=sys.stderr)
        if self.failed:
            print(
                f"{len(self.failed)} of {self.done + len(self.failed)} images failed",
                file=sys.stderr,
            )
        if self.done:
            print(f"{self.done} images done, results in {where}")
        return self.exit_code()


class Faces:
    """The aligned faces of a folder, read ahead by threads and handed out in batches.

    Args:
        root: an image or a folder.
        batch_size: faces per batch; the last batch may be smaller.
        workers: reading threads; 0 reads in the caller's.
        n_images: stop after this many files, None for all.
        report: gets every file that cannot be read.

    Raises:
        UserError: no such folder, or no image in it.
    """

    def __init__(
        self, root, batch_size: int, workers: int, report: Report, n_images: int | None = None
    ):
        self.root, self.batch_size, self.workers, self.report = (
            Path(root),
            batch_size,
            workers,
            report,
        )
        self.paths = find_images(self.root)[:n_images]
        self.names = result_names(self.paths, self.root)
        self._keep_own_share()

    def _keep_own_share(self) -> None:
        """Under Paddle's launcher, every so many batches: whole ones, so that the results are the same."""
        rank, world = runtime.rank_and_world()
        own = [i for i in range(len(self.paths)) if i // self.batch_size % world == rank]
        self.paths, self.names = [self.paths[i] for i in own], [self.names[i] for i in own]

    def _read(self, index: int) -> Face | ImageError:
        path = self.paths[index]
        try:
            picture = read_image(path)
        except ImageError as error:
            return error
        return Face(path, self.names[index], picture, to_input(picture))

    def _faces(self) -> Iterator[Face | ImageError]:
        if not self.workers:
            yield from map(self._read, range(len(self.paths)))
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque = deque()
            for index in range(len(self.paths)):
                ahead.append(pool.submit(self._read, index))
                if len(ahead) > self.workers + self.batch_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def batches(self) -> Iterator[tuple[list[Face], paddle.Tensor]]:
        """Yield lists of faces with their inputs [N, 3, 256, 256], under a progress bar."""
        batch: list[Face] = []
        with tqdm(total=len(self.paths), unit="img", disable=None) as bar:
            for face in self._faces():
                if isinstance(face, ImageError):
                    self.report.failed.append(face)
                    bar.update()
                    continue
                batch.append(face)
                if len(batch) == self.batch_size:
                    yield batch, as_tensor(batch)
                    bar.update(len(batch))
                    batch = []
            if batch:
                yield batch, as_tensor(batch)
                bar.update(len(batch))


def as_tensor(faces: list[Face]) -> paddle.Tensor:
    return paddle.to_tensor(np.stack([face.values for face in faces]))


def result_names(paths: list[Path], root: Path) -> list[Path]:
    """A name for the results of each file: its path below `root`, unique even without the suffix's case.

    What cannot be written (HEIC, GIF, ...) becomes PNG; where that hits another file, the old suffix stays
    in the name.
    """
    base = root if root.is_dir() else root.parent
    names = [path.relative_to(base) for path in paths]
    stems = Counter(str(name.with_suffix("")).lower() for name in names)
    return [
        name
        if stems[str(name.with_suffix("")).lower()] == 1
        else name.with_name(f"{name.stem}_{name.suffix[1:]}{name.suffix}")
        for name in names
    ]


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
        self.pool.submit(save_image, picture, path).add_done_callback(self._finished)

    def _finished(self, future) -> None:
        self.room.release()
        if future.exception() is not None:
            self.errors.append(future.exception())

    def _raise(self) -> None:
        if self.errors:
            raise self.errors[0]

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.pool.shutdown(wait=True)
        if kind is None:
            self._raise()
