"""Ranger against 20 steps of the official PyTorch optimizer, both implementations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from work.training.ranger import Ranger

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "ranger.npz")
CASES = {
    "default": {},
    "decay": {"learning_rate": 1e-2, "weight_decay": 0.01},
    "k3": {"k": 3, "alpha": 0.8, "betas": (0.9, 0.99)},
}
NAMES = ("conv", "linear", "bias")


def stored(name: str, value: np.ndarray) -> np.ndarray:
    """PyTorch's linear weight is [out, in]; Paddle and this package store [in, out]."""
    return np.ascontiguousarray(value.T) if name == "linear" else value


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("impl", ["ref", "compiled"])
def test_20_steps(case, impl):
    params = {}
    for name in NAMES:
        value = stored(name, GOLDEN[f"{case}_{name}_init"])
        params[name] = paddle.create_parameter(list(value.shape), "float32")
        params[name].set_value(value)
    optimizer = Ranger(parameters=list(params.values()), impl=impl, **CASES[case])
    for step in range(20):
        for name, param in params.items():
            param.clear_gradient(False)
            grad = paddle.to_tensor(stored(name, GOLDEN[f"{case}_{name}_grads"][step]))
            (param * grad).sum().backward()
        optimizer.step()
        for name, param in params.items():
            want = stored(name, GOLDEN[f"{case}_{name}_after"][step])
            error = np.abs(param.numpy() - want).max() / max(1.0, np.abs(want).max())
            assert error < 1e-6, (name, step, error)
