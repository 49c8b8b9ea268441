"""Random looks at faces for a frozen age network, so that a generator cannot please it with a pattern.

A network that sees one picture only is easily fooled: stripes that no one takes for wrinkles add 20 years (Goodfellow
et al. 2015, "Explaining and Harnessing Adversarial Examples"). A pattern that has to work at any crop, blur and
contrast must look like the age (Athalye et al. 2018, "Synthesizing Robust Adversarial Examples").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

LEAST_SIDE = 0.85  # of a crop, as a share of the picture
LEAST_SHARP = 0.5  # pixels of a side that blur leaves, as a share
CONTRAST, BRIGHTNESS, NOISE = 0.15, 0.1, 0.05


@dataclass(frozen=True)
class Look:
    """One way to look at faces: a crop (top, left, side in pixels), blur, mirroring, contrast and noise."""

    top: int
    left: int
    side: int
    sharp: int
    mirrored: bool
    gain: float
    shift: float
    noise: np.ndarray

    def __call__(self, faces: Tensor) -> Tensor:
        """Faces [N, 3, S, S] in [-1, 1] -> the same shape, seen in this way."""
        size = faces.shape[2]
        x = faces[:, :, self.top : self.top + self.side, self.left : self.left + self.side]
        x = F.interpolate(x, size=[self.sharp] * 2, mode="area")
        x = F.interpolate(x, size=[size] * 2, mode="bilinear")
        x = x.flip([3]) if self.mirrored else x
        return (x * self.gain + self.shift + paddle.to_tensor(self.noise)).clip(-1, 1)


def draw_look(size: int, rng: np.random.Generator) -> Look:
    """A random look at faces of `size` pixels; the noise is [3, size, size]."""
    side = int(rng.integers(round(LEAST_SIDE * size), size + 1))
    top, left = (int(rng.integers(0, size - side + 1)) for _ in range(2))
    sharp = int(rng.integers(round(LEAST_SHARP * size), side + 1))
    gain = 1 + float(rng.uniform(-CONTRAST, CONTRAST))
    shift = float(rng.uniform(-BRIGHTNESS, BRIGHTNESS))
    noise = (rng.uniform(0, NOISE) * rng.standard_normal((3, size, size))).astype(np.float32)
    return Look(top, left, side, sharp, bool(rng.random() < 0.5), gain, shift, noise)


def change_of_age(
    estimate: Callable[[Tensor], Tensor],
    sources: Tensor,
    made: Tensor,
    looks: int,
    rng: np.random.Generator,
) -> Tensor:
    """How many years older the made faces [N, 3, S, S] are than their sources, [N], as the mean over some looks.

    A look changes the age that a network reads, by blur above all; so source and made face are looked at in the same
    way and only their difference counts.
    """
    total = paddle.zeros([made.shape[0]])
    for _ in range(looks):
        look = draw_look(made.shape[2], rng)
        with paddle.no_grad():
            before = estimate(look(sources))
        total = total + estimate(look(made)) - before
    return total / looks
