"""The graphs that take the place of the parts of SAM or pSp."""

from __future__ import annotations

import threading
from typing import Callable

import numpy as np
import paddle
from paddle import Tensor, nn

from work.models.psp import PSP


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


def graph_inputs(net: PSP) -> dict[str, tuple[int, ...]]:
    """The graphs that a network needs and the shape of their input."""
    shapes = {"encoder": (1, net.input_nc, 256, 256), "decoder": (1, net.n_styles, 512)}
    if net.start_from_encoded_w_plus:
        shapes["pretrained_encoder"] = (1, 3, 256, 256)
    return shapes


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
