"""Golden weights under this package's names, and the distance that the goldens are judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from tests.golden_weights import fill, fill_entries
from work import runtime

__all__ = ["fill", "fill_entries"]

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session", autouse=True)
def cpu():
    runtime.setup("cpu", seed=0)


@pytest.fixture(scope="session")
def golden():
    """golden("sam_64") -> the arrays of tests/golden/sam_64.npz."""
    return lambda name: dict(np.load(GOLDEN / f"{name}.npz"))


def load(layer: paddle.nn.Layer, state: dict[str, np.ndarray]) -> paddle.nn.Layer:
    from work.models.checkpoint import load_state

    load_state(layer, state, "golden weights")
    layer.eval()
    return layer


def error(found: paddle.Tensor, expected: np.ndarray) -> float:
    """Largest absolute error over the largest absolute value."""
    assert tuple(found.shape) == expected.shape
    return float(np.abs(found.numpy() - expected).max() / max(np.abs(expected).max(), 1e-9))
