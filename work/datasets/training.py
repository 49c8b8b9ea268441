"""Training and test faces in an order that is a function of the seed and the position alone.

Nothing has to be stored to resume: the batch of step 1000 is the same whether the run got there or starts
there, whatever the number of workers, and however many ranks share it.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generator, Iterable, Iterator, Protocol

import numpy as np

from work.datasets.images import ImageError, find_images, read_image
from work.datasets.transforms import to_input
from work.errors import UserError

# First number after the seed of each kind of draw, so that no two kinds share their numbers.
ORDER, FLIPS, AGES, NOISE, WEIGHTS, INPUTS, RENDERS, POOLS = range(8)
AHEAD = 4  # batches that are read before they are asked for


def random_generator(seed: int, *key: int) -> np.random.Generator:
    """A generator of its own for each seed and key."""
    return np.random.default_rng([seed % 2**32, *key])


@dataclass
class Batch:
    """Faces in [-1, 1], [N, 3, 256, 256] or what `FaceSource.read` gives; their files; which are mirrored."""

    faces: np.ndarray
    files: list
    flips: list


class FaceSource(Protocol):
    """What a run reads its batches from.

    Attributes:
        bad: the files that could not be read.
    """

    bad: dict[Path, ImageError]

    def __len__(self) -> int: ...

    def read(self, index: int, flip: bool = False) -> tuple[np.ndarray, Any]:
        """The face of one key of a batch, an array of one shape for all, and its file or another name for it."""


class FaceFolder:
    """The aligned faces under a folder; one that cannot be read is named once and its successor takes its place.

    Raises:
        UserError: no such folder, or no image in it.
    """

    def __init__(self, root: Path, size: int = 256):
        self.root, self.size = root, size
        self.bad: dict[Path, ImageError] = {}
        self.paths = find_images(root)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int, flip: bool = False) -> tuple[np.ndarray, Path]:
        """Face number `index`, mirrored if `flip`: [3, size, size] in [-1, 1], and its file."""
        for offset in range(len(self.paths)):
            path = self.paths[(index + offset) % len(self.paths)]
            if path in self.bad:
                continue
            try:
                face = to_input(read_image(path), self.size)
            except ImageError as error:
                if self.bad.setdefault(path, error) is error:
                    print(f"failed: {error}; the next face takes its place", file=sys.stderr)
                continue
            return np.ascontiguousarray(face[:, :, ::-1]) if flip else face, path
        raise UserError(f"no face in {self.root} can be read")


@functools.lru_cache(maxsize=2)
def epoch_order(count: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """A permutation of `count` faces, and which of them are mirrored (half, as in the reference)."""
    order = random_generator(seed, ORDER, epoch).permutation(count)
    return order, random_generator(seed, FLIPS, epoch).random(count) < 0.5


def draw_face(count: int, seed: int, position: int) -> tuple[int, bool]:
    """Which face is at a position of the endless stream of shuffled epochs, and whether it is mirrored."""
    order, flips = epoch_order(count, seed, position // count)
    index = int(order[position % count])
    return index, bool(flips[index])


def training_keys(
    count: int, seed: int, first_batch: int, batch_size: int, rank: int = 0, world: int = 1
) -> Iterator[list[tuple[int, bool]]]:
    """The faces of every batch of this rank, without end: each batch of all ranks is a slice of the stream."""
    batch = first_batch
    while True:
        positions = batch_positions(batch, batch_size, rank, world)
        yield [draw_face(count, seed, position) for position in positions]
        batch += 1


def batch_positions(batch: int, size: int, rank: int = 0, world: int = 1) -> range:
    """The positions that one rank reads in a batch."""
    start = (batch * world + rank) * size
    return range(start, start + size)


def validation_keys(count: int, batch_size: int) -> list[list[tuple[int, bool]]]:
    """All faces in order, none mirrored; the last batch may be smaller."""
    indices = [(index, False) for index in range(count)]
    return [indices[i : i + batch_size] for i in range(0, count, batch_size)]


def load(
    folder: FaceSource, keys: Iterable[list[tuple[int, bool]]], workers: int
) -> Generator[Batch, None, None]:
    """Read the batches that `keys` lists, ahead of their use, in threads (decoding releases the GIL)."""
    keys = iter(keys)
    if not workers:
        for batch in keys:
            yield _collate(batch, [folder.read(*key) for key in batch])
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque = deque()
        try:
            while True:
                for batch in itertools.islice(keys, AHEAD - len(ahead)):
                    ahead.append((batch, [pool.submit(folder.read, *key) for key in batch]))
                if not ahead:
                    return
                batch, futures = ahead.popleft()
                yield _collate(batch, [future.result() for future in futures])
        finally:
            for future in (f for _, futures in ahead for f in futures):
                future.cancel()


def _collate(keys: list[tuple[int, bool]], read: list[tuple[np.ndarray, Any]]) -> Batch:
    faces, files = zip(*read)
    return Batch(np.stack(faces), list(files), [flip for _, flip in keys])
