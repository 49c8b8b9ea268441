"""A pool of earlier outputs: a discriminator also sees what its generator made before (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Mapping

import numpy as np
import paddle
from paddle import Tensor


class ImagePool:
    """Detached faces, each with the age that it was made for.

    Args:
        size: how many are kept; with 0 every query gives back what it got.
    """

    def __init__(self, size: int = 50):
        self.size = size
        self.faces: list[Tensor] = []
        self.ages: list[Tensor] = []

    def query(self, faces: Tensor, ages: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Faces [N, 3, H, W] and ages [N] -> as many, about half of them earlier ones, without a graph.

        Until the pool is full every face is taken in and given back. Then each is, with probability 1/2,
        exchanged for a random one of the pool.
        """
        faces, ages = faces.detach(), ages.detach()
        chosen = [self._one(faces[i : i + 1], ages[i : i + 1], rng) for i in range(faces.shape[0])]
        given_faces, given_ages = zip(*chosen)
        return paddle.concat(given_faces), paddle.concat(given_ages)

    def _one(self, face: Tensor, age: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        if len(self.faces) < self.size:
            self.faces.append(face)
            self.ages.append(age)
            return face, age
        swap, index = rng.random() < 0.5, int(rng.integers(max(self.size, 1)))
        if not swap or not self.size:
            return face, age
        given = self.faces[index], self.ages[index]
        self.faces[index], self.ages[index] = face, age
        return given

    def state_dict(self) -> dict[str, np.ndarray]:
        if not self.faces:
            return {}
        return {
            "faces": paddle.concat(self.faces).numpy(),
            "ages": paddle.concat(self.ages).numpy(),
        }

    def set_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        faces, ages = (state.get(name) for name in ("faces", "ages"))
        self.faces = [] if faces is None else [paddle.to_tensor(f[None]) for f in faces]
        self.ages = [] if ages is None else [paddle.to_tensor(a[None]) for a in ages]
