"""Mixed precision: what Paddle's loss scaler does with several optimizers."""

from __future__ import annotations

from types import SimpleNamespace

import paddle
import pytest

from work.training.precision import Precision
from work.training.ranger import Ranger


@pytest.fixture
def precision(monkeypatch):
    """Float16's, on a CPU, where Paddle would switch its scaler off: all that it does works there."""
    tracer = SimpleNamespace(_expected_place=SimpleNamespace(is_gpu_place=lambda: True))
    monkeypatch.setattr("paddle.amp.grad_scaler._dygraph_tracer", lambda: tracer)
    amp = SimpleNamespace(amp_dtype="float16")
    monkeypatch.setattr("paddle.amp.grad_scaler.amp_global_state", lambda: amp)
    return Precision("O1", "float16", gpu=True)


@pytest.mark.parametrize("make", [paddle.optimizer.Adam, Ranger])
@pytest.mark.parametrize("bad", [0, 1])
def test_an_overflow_in_any_optimizer_lowers_the_scale_and_stops_all(precision, make, bad):
    layers = [paddle.nn.Linear(2, 2) for _ in range(2)]
    players = [make(1e-2, parameters=layer.parameters()) for layer in layers]

    def step(factors):
        losses = [
            layer(paddle.to_tensor([[1.0, 3.0]])).sum() * f for layer, f in zip(layers, factors)
        ]
        precision.backward(losses[0] + losses[1])
        precision.step(players)
        for player in players:
            player.clear_grad()
        return [layer.weight.numpy().copy() for layer in layers]

    first = step([1.0, 1.0])
    scale = precision.state_dict()["scale"]
    factors = [1.0, 1.0]
    factors[bad] = float("inf")
    for _ in range(2):
        assert all((a == b).all() for a, b in zip(first, step(factors)))
    assert precision.state_dict()["scale"][0] < scale[0]
    moved = step([1.0, 1.0])
    assert not any((a == b).all() for a, b in zip(first, moved))
