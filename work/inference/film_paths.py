"""What a film shows: a face through its ages, or the way from one person to another."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import paddle

from work.faces.aligned import AlignedFace
from work.inference.composite import gates
from work.inference.model import SAM, AgeingModel


class Journey(Protocol):
    """What a film shows: a picture for every position between the first and the last station."""

    stations: list[float]

    def images(self, positions: np.ndarray) -> paddle.Tensor:
        """Positions [N] -> images [N, 3, S, S], about in [-1, 1]."""


class EmbeddedAges:
    """One face at any age: the embedded model's codes move continuously with the age.

    Args:
        state: what the model's `encode` returned for the face.
        stations: ages in years.
    """

    def __init__(self, model: AgeingModel, state: Any, stations: list[float]):
        self.model, self.state, self.stations = model, state, stations

    def images(self, positions: np.ndarray) -> paddle.Tensor:
        """See Journey; positions are years."""
        ages = paddle.to_tensor(positions.astype(np.float32))
        return self.model.transform(self.state * len(ages), ages)[0]


class EncodedAges:
    """One face by SAM, which encodes the stations; the codes between them are interpolated.

    Args:
        state: what the model's `encode` returned for the face.
        stations: ages in years.
    """

    def __init__(self, model: SAM, state: Any, stations: list[float]):
        self.model, self.state, self.stations = model, state, stations
        ages = [paddle.full([1], float(age)) for age in stations]
        self.codes = paddle.concat([model.codes(self.state, age) for age in ages])

    def images(self, positions: np.ndarray) -> paddle.Tensor:
        """See Journey; positions are years."""
        images = self.model.render(between(self.codes, self.stations, positions))
        if not self.model.uses_photos:
            return images
        older = paddle.to_tensor((positions >= self.model.ages(self.state)[0]).astype(np.float32))
        with paddle.no_grad():
            return self.state.composite(images, gates(older))


def through_ages(model: AgeingModel, state: Any, stations: list[float]) -> Journey:
    """The journey of one face, which the model has encoded, through `stations` in years."""
    return (EncodedAges if isinstance(model, SAM) else EmbeddedAges)(model, state, stations)


class BetweenFaces:
    """From one inverted face (position 0) to another (1), by the generator's own pictures."""

    stations = [0.0, 1.0]

    def __init__(self, model: AgeingModel, faces: list[AlignedFace]):
        self.model = model
        self.codes = paddle.concat([model.invert(face.tensor()) for face in faces])

    def images(self, positions: np.ndarray) -> paddle.Tensor:
        """See Journey."""
        return self.model.render(between(self.codes, self.stations, positions))


def encoded(model: AgeingModel, face: AlignedFace, **known: Any):
    """What the model knows about a face, which it gets with as many pixels as it can use.

    `known` is passed on: the embedded model takes `w_plus`.
    """
    photos = [face.tensor(model.output_size)] if model.uses_photos else None
    return model.encode(face.tensor(), photos, **known)


def between(codes: paddle.Tensor, stations: list[float], positions: np.ndarray) -> paddle.Tensor:
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


def positions(stations: list[float], count: int, easing: str) -> np.ndarray:
    """Where the film is at each of `count` frames, from the first station through all to the last.

    Args:
        easing: "linear": as much time for every year; "smooth": that, slow at both ends; "pauses":
            slow at every station.
    """
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(stations)))])  # years travelled
    time = np.linspace(0, 1, count)
    if easing == "smooth":
        time = smooth(time)
    travelled = time * way[-1]
    if easing == "pauses":
        part = np.clip(np.searchsorted(way, travelled, side="right") - 1, 0, len(way) - 2)
        start, length = way[part], np.maximum(way[part + 1] - way[part], 1e-9)
        travelled = start + length * smooth((travelled - start) / length)
    return np.interp(travelled, way, stations)


def smooth(x: np.ndarray) -> np.ndarray:
    """3 x^2 - 2 x^3: from 0 to 1 without speed at either end."""
    return x * x * (3 - 2 * x)
