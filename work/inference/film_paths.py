"""Where a film is at each of its frames, and the codes between two stations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle


def place_frames(stations: Sequence[float], count: int, easing: str) -> np.ndarray:
    """Where the film is at each of `count` frames, from the first station through all to the last, [count].

    Args:
        stations: two or more, e.g. ages in years.
        easing: "linear": as much time for every year; "smooth": that, slow at both ends; "pauses":
            slow at every station.
    """
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(stations)))])  # years travelled
    time = np.linspace(0, 1, count)
    if easing == "smooth":
        time = ease(time)
    travelled = time * way[-1]
    if easing == "pauses":
        part = np.clip(np.searchsorted(way, travelled, side="right") - 1, 0, len(way) - 2)
        start, length = way[part], np.maximum(way[part + 1] - way[part], 1e-9)
        travelled = start + length * ease((travelled - start) / length)
    return np.interp(travelled, way, stations)


def ease(x: np.ndarray) -> np.ndarray:
    """3 x^2 - 2 x^3: from 0 to 1 without speed at either end."""
    return x * x * (3 - 2 * x)


def interpolate(
    codes: paddle.Tensor, stations: Sequence[float], positions: np.ndarray
) -> paddle.Tensor:
    """Codes [K, L, 512] at `stations` -> linearly interpolated codes [N, L, 512] at `positions` [N].

    Stations are passed in ascending order of their values, whatever the order of the film.
    """
    order = np.argsort(stations)
    sorted_stations = np.asarray(stations, float)[order]
    places = np.interp(positions, sorted_stations, np.arange(len(order)))
    low = np.minimum(places.astype(int), len(order) - 2)
    share = paddle.to_tensor((places - low).astype(np.float32).reshape(-1, 1, 1))
    first = paddle.to_tensor(order[low])
    second = paddle.to_tensor(order[low + 1])
    return codes.index_select(first) * (1 - share) + codes.index_select(second) * share
