"""Keeps the graphs of engines in the per-user cache, and how far each is from Paddle.

Graphs are built once per checkpoint, in a folder named by its hash. Before an engine is first used, each of its graphs
is compared with Paddle's own forward pass. Nothing here imports Paddle, so that graphs can be loaded while it is
imported.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Mapping, Optional, Sequence

import numpy as np

from work.downloads import cache_folder, sha256_of
from work.files import atomic_write
from work.inference.engines.engine import Engine, EngineUnavailable, Run
from work.progress import progress, say
from work.runtime import cpu_name

# A graph is used up to this root-mean-square error against Paddle, relative to Paddle's output.
# bf16 keeps 8 bits: about 1 % was measured for the encoder and 2 to 3 % for the decoder.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.06}
# In a gradient, activations close to zero may fall on either side of a ReLU's edge.
GRADIENT_TOLERANCE = {"fp32": 0.01, "bf16": 0.1}

CHECKS = "checks.json"
# Of how graphs are written; raise it when that changes, so that older ones are built again.
REVISION = 3
# Checkpoints whose graphs stay in the cache; those of SAM at 1024 px take 2.2 GB.
KEEP = 3


def file_hash(path: Path) -> str:
    """SHA-256 of a file, its first 32 digits; kept with the file's size and time, so that it is computed once."""
    hashes, key = _hashes(), _state(path)
    if key not in hashes:
        hashes[key] = sha256_of(path)[:32]
        with atomic_write(_hashes_file()) as temporary:
            temporary.write_text(json.dumps(hashes, indent=1))
    return hashes[key]


def _hashes_file() -> Path:
    return cache_folder() / "engines" / "hashes.json"


def _hashes() -> dict[str, str]:
    return json.loads(_hashes_file().read_text()) if _hashes_file().is_file() else {}


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"


def folder_for(checkpoint: Path, engine: str) -> Path:
    """The folder of a checkpoint's graphs, marked as used now. Only the KEEP checkpoints used last keep theirs.

    A line says so if the graphs have to be built.
    """
    folder = cache_folder() / "engines" / file_hash(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    others = [path for path in folder.parent.iterdir() if path.is_dir()]
    for path in sorted(others, key=_last_used)[:-KEEP]:
        shutil.rmtree(path, ignore_errors=True)  # another process may be doing the same
    for path in {*folder.glob(f"{engine}*")} - {folder / _revision_of(engine)}:
        shutil.rmtree(path, ignore_errors=True)
    graphs = folder / _revision_of(engine)
    if not (graphs / CHECKS).is_file():
        say(f"building graphs for {engine} from {checkpoint.name}, once")
    return graphs


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has deleted it
        return 0.0


@contextmanager
def stages(folder: Path) -> Iterator[Callable[[], None]]:
    """A progress bar for building, loading and checking graphs; none if done before. Call what it yields after each."""
    if (folder / CHECKS).is_file():
        yield lambda: None
        return
    with progress(total=3, unit="stage", label="building graphs") as bar:
        yield bar.update


def _revision_of(engine: str) -> str:
    return f"{engine}.{REVISION}"


def checked_folder(checkpoint: Path, engine: str) -> Optional[Path]:
    """`folder_for`, if the checkpoint's graphs were built and checked in an earlier run, else None; takes no time."""
    known = _hashes().get(_state(checkpoint)) if checkpoint.is_file() else None
    folder = cache_folder() / "engines" / known / _revision_of(engine) if known else None
    return folder if folder and (folder / CHECKS).is_file() else None


def load_all(engine: Engine, precisions: Mapping[str, str], folder: Path) -> dict[str, Run]:
    """Load graphs by name, each in its precision; several at a time if the engine can, which halves the wait."""
    with ThreadPoolExecutor(engine.LOADERS) as pool:
        runs = pool.map(lambda name: engine.load(name, folder, precisions[name]), precisions)
        return dict(zip(precisions, runs))


def flat_squares(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """A random picture of 8 x 8 flat squares, to compare networks on: [n, c, 8 k, 8 k] in [-1, 1], float32."""
    coarse = rng.uniform(-1, 1, (*shape[:2], 8, 8))
    return coarse.repeat(shape[2] // 8, axis=2).repeat(shape[3] // 8, axis=3).astype(np.float32)


def relative_rms(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference, divided by that of the expected values; infinite instead of NaN."""
    error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    return float(error) if np.isfinite(error) else float("inf")


class Checks:
    """How far an engine's graphs are from Paddle, as measured; kept beside them."""

    def __init__(self, folder: Path, version: str):
        self.path, self.version = folder / CHECKS, version
        self.errors: dict[str, float] = {}
        if self.path.is_file():
            self.errors = json.loads(self.path.read_text())

    def key(self, name: str, precision: str) -> str:
        # The CPU too: several machines may share the cache.
        return f"{name} {precision} {self.version} {cpu_name()}"

    def missing(self, precisions: Mapping[str, str]) -> bool:
        """Whether one of these graphs, by name and precision, has not been measured yet."""
        return any(self.key(*graph) not in self.errors for graph in precisions.items())

    def record(self, name: str, precision: str, error: float) -> None:
        self.errors[self.key(name, precision)] = error
        with atomic_write(self.path) as temporary:
            temporary.write_text(json.dumps(self.errors, indent=1))

    def require(self, precisions: Mapping[str, str]) -> None:
        """Raise EngineUnavailable if one of these graphs differs too much from Paddle."""
        for name, precision in precisions.items():
            error = self.errors[self.key(name, precision)]
            allowed = GRADIENT_TOLERANCE if name.endswith("_back") else TOLERANCE
            if error > allowed[precision]:
                raise EngineUnavailable(f"its {name} in {precision} is {error:.2g} off Paddle's")
