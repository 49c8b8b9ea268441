"""Engines: the same networks, run by something faster than Paddle's dygraph, once they are shown to be equal.

An engine is built once per checkpoint: its graphs lie in the per-user cache, named by the hash of the checkpoint.
Before it is used for the first time, every graph is compared with Paddle's own forward pass.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np
import paddle
from paddle import Tensor, nn

from work.downloads import cache_folder, sha256_of
from work.files import atomic_write
from work.models.psp import PSP

# The largest root-mean-square error against Paddle, relative to the output's own, at which a graph is used.
# bf16 keeps 8 bits: about 1 % for the encoder and 2 to 3 % for the decoder were measured.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.06}
# In a gradient, activations on the edge of a ReLU may fall to either side.
GRADIENT_TOLERANCE = {"fp32": 0.01, "bf16": 0.1}

KEEP = 3  # checkpoints whose graphs stay in the cache; those of SAM at 1024 px take 2.2 GB


class EngineUnavailable(Exception):
    """This engine cannot be used here; the message says why."""


class NotInstalled(EngineUnavailable):
    """Software that it needs is not there."""


class Graph(nn.Layer):
    """A compiled graph in the place of a layer: tensors in, tensors out, one sample at a time."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray]):
        super().__init__()
        self.run, self.lock = run, threading.Lock()  # an engine computes one sample at a time

    def forward(self, x: Tensor) -> Tensor:
        rows = x.astype("float32").numpy()
        with self.lock:
            return paddle.to_tensor(
                np.concatenate([self.run(rows[i : i + 1]) for i in range(len(rows))])
            )


def file_hash(path: Path) -> str:
    """SHA-256 of a file, 32 digits; kept beside size and time of change, so that it is computed once."""
    stat = path.stat()
    known = cache_folder() / "engines" / "hashes.json"
    hashes = json.loads(known.read_text()) if known.is_file() else {}
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    if key not in hashes:
        hashes[key] = sha256_of(path)[:32]
        with atomic_write(known) as temporary:
            temporary.write_text(json.dumps(hashes, indent=1))
    return hashes[key]


def folder_for(checkpoint: Path, engine: str) -> Path:
    """Where the graphs of a checkpoint lie. Those that were used least recently make room: KEEP stay."""
    folder = cache_folder() / "engines" / file_hash(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    others = [path for path in folder.parent.iterdir() if path.is_dir()]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-KEEP]:
        shutil.rmtree(path, ignore_errors=True)  # another process may be doing the same
    return folder / engine


def load_all(
    engine: Any, precisions: Mapping[str, str], folder: Path
) -> dict[str, Callable[..., np.ndarray]]:
    """Load the graphs of these names and precisions; side by side in an engine that can, which halves the wait."""
    with ThreadPoolExecutor(engine.LOADERS) as pool:
        runs = pool.map(lambda name: engine.load(name, folder, precisions[name]), precisions)
        return dict(zip(precisions, runs))


def graph_inputs(net: PSP) -> dict[str, tuple[int, ...]]:
    """The graphs that a network needs and the shape of their input."""
    shapes = {"encoder": (1, net.input_nc, 256, 256), "decoder": (1, net.n_styles, 512)}
    if net.start_from_encoded_w_plus:
        shapes["pretrained_encoder"] = (1, 3, 256, 256)
    return shapes


def relative_rms(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference over that of the expected values; infinite where not a number."""
    error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    return float(error) if np.isfinite(error) else float("inf")


class Checks:
    """The measured errors of an engine's graphs, kept in the cache as `checks.json`."""

    def __init__(self, folder: Path, version: str):
        self.path, self.version = folder / "checks.json", version
        self.errors: dict[str, float] = {}
        if self.path.is_file():
            self.errors = json.loads(self.path.read_text())

    def key(self, name: str, precision: str) -> str:
        return f"{name} {precision} {self.version}"

    def missing(self, precisions: Mapping[str, str]) -> bool:
        """Whether a graph of these names and precisions was not measured yet."""
        return any(self.key(*graph) not in self.errors for graph in precisions.items())

    def record(self, name: str, precision: str, error: float) -> None:
        self.errors[self.key(name, precision)] = error
        with atomic_write(self.path) as temporary:
            temporary.write_text(json.dumps(self.errors, indent=1))

    def require(self, precisions: Mapping[str, str]) -> None:
        """Raise EngineUnavailable if a graph differs too much from Paddle."""
        for name, precision in precisions.items():
            error = self.errors[self.key(name, precision)]
            allowed = GRADIENT_TOLERANCE if name.endswith("_back") else TOLERANCE
            if error > allowed[precision]:
                raise EngineUnavailable(f"its {name} in {precision} is {error:.2g} off Paddle's")


def sample_input(name: str, shape: tuple[int, ...], net: PSP, seed: int) -> np.ndarray:
    """A seeded input for the comparison: a smooth picture, or codes near the mean latent."""
    rng = np.random.default_rng(seed)
    if name == "decoder":
        return (net.latent_avg.numpy()[None] + rng.normal(0, 0.5, shape)).astype(np.float32)
    coarse = rng.uniform(-1, 1, (*shape[:2], 8, 8))
    return coarse.repeat(shape[2] // 8, axis=2).repeat(shape[3] // 8, axis=3).astype(np.float32)


def attach(net: PSP, runs: dict[str, Callable[[np.ndarray], np.ndarray]]) -> Graph:
    """Put graphs in the place of the network's encoders; return the one that decodes."""
    net.encoder = Graph(runs["encoder"])
    if "pretrained_encoder" in runs:
        net.pretrained_encoder = Graph(runs["pretrained_encoder"])
    return Graph(runs["decoder"])
