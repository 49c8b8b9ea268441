"""LPIPS and L2 between pictures of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import numpy as np
import paddle

from work.datasets.images import ImageError
from work.datasets.transforms import to_input
from work.metrics.report import Scores
from work.metrics.results import Result, list_results, read_pair
from work.metrics.share import gather, own_share
from work.progress import loading, progress

Inputs = tuple[np.ndarray, np.ndarray]  # a result and its partner, each [3, 256, 256] in [-1, 1]


def measure(mode: str, data_path: Path, gt_path: Path, batch_size: int, workers: int) -> Scores:
    """Compare every picture with its partner, both resized to 256 px.

    Args:
        mode: "lpips" (AlexNet, v0.1) or "l2" (mean squared error in [-1, 1]).
        workers: threads that read pictures.
    """
    distances = make_lpips() if mode == "lpips" else squared_errors
    scores = Scores(mode)
    results = own_share(list_results(data_path, gt_path), batch_size)
    for batch in _batches(results, batch_size, workers, scores):
        found, expected = (np.stack(side) for side in zip(*(pair for _, pair in batch)))
        for (result, _), value in zip(batch, distances(found, expected)):
            scores.add(result, float(value))
    return gather(scores)


def squared_errors(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean squared error of each pair of [N, C, H, W], in float64: a float32 mean would be off by 1e-3."""
    return np.square(x.astype(np.float64) - y).mean(axis=(1, 2, 3))


@loading()
def make_lpips() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function of two arrays [N, 3, H, W] in [-1, 1] that returns their LPIPS, [N]."""
    from work.loading import load_lpips

    lpips = load_lpips()

    def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            return lpips(paddle.to_tensor(x), paddle.to_tensor(y)).numpy().reshape(-1)

    return distances


def _read(result: Result) -> Inputs | ImageError:
    try:
        found, expected = read_pair(result)
    except ImageError as error:
        return error
    return to_input(found), to_input(expected)


def _read_ahead(
    results: Sequence[Result], block: int, workers: int
) -> Iterator[tuple[Result, Inputs | ImageError]]:
    """The results with their pixels, in order; read by threads, `block` results at a time."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(results), block):
            part = results[start : start + block]
            yield from zip(part, pool.map(_read, part))


def _batches(
    results: Sequence[Result], batch_size: int, workers: int, scores: Scores
) -> Iterator[list[tuple[Result, Inputs]]]:
    """Batches of results with their pixels; the last may be short. What cannot be read goes to `scores`."""
    batch: list[tuple[Result, Inputs]] = []
    pairs = _read_ahead(results, 4 * batch_size, workers)
    for result, pair in progress(pairs, len(results), "picture", scores.label):
        if isinstance(pair, ImageError):
            scores.add(result, pair)
            continue
        batch.append((result, pair))
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch
