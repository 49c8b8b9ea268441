"""A loaded graph as a layer."""

from __future__ import annotations

import threading

import numpy as np
import paddle
from paddle import Tensor, nn

from work.inference.engines.engine import Run


class Graph(nn.Layer):
    """Tensors [N, ...] in, one tensor out; the engine computes one sample at a time, and one caller at a time."""

    def __init__(self, run: Run):
        super().__init__()
        self.run, self.lock = run, threading.Lock()

    def forward(self, *inputs: Tensor) -> Tensor:
        arrays = [x.astype("float32").numpy() for x in inputs]
        with self.lock:
            rows = [self.run(*(x[i : i + 1] for x in arrays)) for i in range(len(arrays[0]))]
        return paddle.to_tensor(np.concatenate(rows))
