"""Golden weights under this package's names, and the distance that the goldens are judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
import weights

from convert_weights import rules
from work import runtime

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session", autouse=True)
def cpu():
    runtime.setup("cpu", seed=0)


@pytest.fixture(scope="session")
def golden():
    """golden("sam_64") -> the arrays of tests/golden/sam_64.npz."""
    return lambda name: dict(np.load(GOLDEN / f"{name}.npz"))


def fill(manifest: str, kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The reproducible numbers of an official checkpoint, renamed and laid out by convert_weights' rules."""
    return fill_entries(weights.load_manifest(manifest), kind, seed)


def fill_entries(entries: list[dict], kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The same for the given entries of a manifest."""
    state = {}
    for name, array in weights.fill(entries, seed).items():
        if name == "latent_avg":
            state[name] = array
            continue
        rule, new = rules.transform(rules.TABLE[kind], name.replace("g_ema.", ""))
        if new:
            state[new] = np.ascontiguousarray(array.T) if rule.op == rules.TRANSPOSE else array
    return state


def load(layer: paddle.nn.Layer, state: dict[str, np.ndarray]) -> paddle.nn.Layer:
    from work.models.checkpoint import load_state

    load_state(layer, state, "golden weights")
    layer.eval()
    return layer


def error(found: paddle.Tensor, expected: np.ndarray) -> float:
    """Largest absolute error over the largest absolute value."""
    assert tuple(found.shape) == expected.shape
    return float(np.abs(found.numpy() - expected).max() / max(np.abs(expected).max(), 1e-9))
