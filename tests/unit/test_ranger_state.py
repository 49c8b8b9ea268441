"""Ranger's state: resuming bit for bit, other processes' names, half precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.errors import UserError
from work.training.ranger import Ranger

IMPLS = ["ref", "compiled"]


def network(seed=0):
    paddle.seed(seed)
    return paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.Flatten(), paddle.nn.Linear(4 * 16, 5)
    )


def train(model, optimizer, first, steps):
    for step in range(first, first + steps):
        images = np.random.default_rng(step).standard_normal((2, 3, 6, 6)).astype(np.float32)
        dtype = model[0].weight.dtype
        (model(paddle.to_tensor(images).astype(dtype)) ** 2).mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()


def make(model, impl, schedule=True, **options):
    rate = paddle.optimizer.lr.StepDecay(0.05, step_size=2) if schedule else 0.05
    names = dict(model.named_parameters())
    return Ranger(rate, model.parameters(), impl=impl, names=names, k=4, **options)


@pytest.mark.parametrize("impl", IMPLS)
def test_six_steps_equal_three_and_a_resume_of_three(impl, tmp_path):
    whole = network()
    train(whole, make(whole, impl), 0, 6)
    first = network()
    optimizer = make(first, impl)
    train(first, optimizer, 0, 3)
    paddle.save(first.state_dict(), str(tmp_path / "a.pdparams"))
    paddle.save(optimizer.state_dict(), str(tmp_path / "a.pdopt"))

    second = network(seed=9)  # Paddle gives its parameters other names, as a new process may
    second.set_state_dict(paddle.load(str(tmp_path / "a.pdparams")))
    resumed = make(second, impl)
    resumed.set_state_dict(paddle.load(str(tmp_path / "a.pdopt")))
    train(second, resumed, 3, 3)
    assert first[0].weight.name != second[0].weight.name
    for ours, theirs in zip(second.parameters(), whole.parameters()):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_a_loaded_state_is_a_copy_and_may_be_numpy():
    model = network()
    optimizer = make(model, "compiled", schedule=False)
    train(model, optimizer, 0, 2)
    state = optimizer.state_dict()
    arrays = {
        key: value if key.endswith(".step") else value.numpy() for key, value in state.items()
    }
    assert sorted(arrays) == sorted(
        f"{name}.{key}"
        for name, _ in model.named_parameters()
        for key in ("step", "exp_avg", "exp_avg_sq", "slow")
    )
    kept = {key: np.copy(value) for key, value in arrays.items()}
    other = make(network(), "compiled", schedule=False)
    other.set_state_dict(arrays)
    third = make(model, "compiled", schedule=False)
    third.set_state_dict(state)
    train(model, third, 2, 1)  # in place, but not in what was loaded from
    for key, value in kept.items():
        assert np.array_equal(np.asarray(arrays[key]), value)
        assert np.array_equal(np.asarray(optimizer.state_dict()[key]), value)


def test_a_state_that_does_not_fit_is_refused():
    model = network()
    optimizer = make(model, "ref", schedule=False)
    train(model, optimizer, 0, 1)
    good = optimizer.state_dict()
    missing = {key: value for key, value in good.items() if key != "0.bias.slow"}
    shape = dict(good, **{"2.weight.exp_avg": paddle.zeros([5, 64])})
    for state, message in [
        (missing, "no 0.bias.slow"),
        (dict(good, extra=1), "extra belongs to no parameter"),
        (shape, r"2.weight.exp_avg is \[5, 64\], the parameter \[64, 5\]"),
        ({}, "no 0.weight.step"),
    ]:
        before = {key: np.copy(value) for key, value in optimizer.state_dict().items()}
        with pytest.raises(UserError, match=message):
            optimizer.set_state_dict(state)
        for key, value in optimizer.state_dict().items():
            assert np.array_equal(before[key], np.asarray(value))  # refused whole
    with pytest.raises(UserError, match="LR_Scheduler"):
        make(model, "ref").set_state_dict(good)


def test_an_unused_parameter_is_saved_as_step_0():
    model = network()
    model[2].weight.stop_gradient = True
    optimizer = make(model, "ref", schedule=False)
    train(model, optimizer, 0, 1)
    state = optimizer.state_dict()
    assert state["2.weight.step"] == 0 and "2.weight.slow" not in state
    assert state["2.bias.step"] == 1
    make(model, "ref", schedule=False).set_state_dict(state)


@pytest.mark.parametrize("impl", IMPLS)
def test_half_precision_keeps_float32_weights(impl):
    def pair(dtype):
        paddle.seed(0)
        layer = paddle.nn.Linear(4, 6, bias_attr=False).to(dtype="bfloat16").to(dtype=dtype)
        param = layer.weight
        return param, Ranger(1e-3, [param], impl=impl, multi_precision=dtype != "float32")

    half, ours = pair("bfloat16")
    full, theirs = pair("float32")
    for step in range(7):
        grad = np.random.default_rng(step).integers(-8, 8, (4, 6)).astype(np.float32)
        for param, optimizer in ((half, ours), (full, theirs)):
            param.clear_gradient(False)
            (param * paddle.to_tensor(grad).astype(param.dtype)).sum().backward()
            optimizer.step()
    want = full.astype("bfloat16").astype("float32").numpy()
    assert np.array_equal(half.astype("float32").numpy(), want)
    master = ours.state_dict()[f"{half.name}.master"]
    assert np.array_equal(master.numpy(), full.numpy())


def test_unsupported_types_are_named():
    for dtype, message in (
        ("bfloat16", "multi_precision=True"),
        ("float64", "Ranger takes float32"),
    ):
        param = paddle.nn.Linear(2, 2, bias_attr=False).to(dtype=dtype).weight
        param.sum().backward()
        with pytest.raises(UserError, match=message):
            Ranger(parameters=[param], impl="ref").step()
