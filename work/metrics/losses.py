"""LPIPS and L2 between pictures of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import paddle
from tqdm import tqdm

from work.datasets.images import ImageError, read_image
from work.datasets.transforms import to_input
from work.metrics.report import Scores
from work.metrics.results import Result, list_results
from work.metrics.share import gather, own_share


def measure(mode: str, data_path: Path, gt_path: Path, batch_size: int, workers: int) -> Scores:
    """Compare every picture with its partner, both resized to 256 px.

    Args:
        mode: "lpips" (AlexNet, v0.1) or "l2" (mean squared error in [-1, 1]).
        workers: threads that read pictures.
    """
    distance = _lpips() if mode == "lpips" else lambda x, y: ((x - y) ** 2).mean(axis=[1, 2, 3])
    scores = Scores(mode)
    results = own_share(list_results(data_path, gt_path), batch_size)
    with tqdm(total=len(results), unit="img", disable=None) as bar:
        for batch in _batches(results, batch_size, workers, scores, bar):
            x, y = (paddle.to_tensor(np.stack(side)) for side in zip(*(pair for _, pair in batch)))
            with paddle.no_grad():
                values = distance(x, y).numpy()
            for (result, _), value in zip(batch, values.reshape(-1)):
                scores.add(result, float(value))
    return gather(scores)


def _lpips():
    from work.inference.embedded.model import lpips_alex

    return lpips_alex()


def _read(result: Result) -> tuple[np.ndarray, np.ndarray] | ImageError:
    if result.partner is None:
        return ImageError(result.path, f"no picture of the name {result.name} to compare with")
    try:
        return to_input(read_image(result.path)), to_input(read_image(result.partner))
    except ImageError as error:
        return error


def _batches(results, batch_size: int, workers: int, scores: Scores, bar) -> Iterator[list]:
    """Lists of (result, (picture, partner)); the last one may be short. What cannot be read goes to `scores`."""
    batch: list = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(results), 4 * batch_size):  # reads ahead, but not everything
            part = results[start : start + 4 * batch_size]
            for result, pair in zip(part, pool.map(_read, part)):
                bar.update()
                if isinstance(pair, ImageError):
                    scores.failed.append((pair.path, pair.reason))
                    continue
                batch.append((result, pair))
                if len(batch) == batch_size:
                    yield batch
                    batch = []
    if batch:
        yield batch
