"""Ranger as an optimizer: both implementations, its rules, its state."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from work.errors import UserError
from work.runtime import use_all_cores
from work.training.ranger import Ranger
from work.training.ranger_op.update_rule import gc_layout, radam_factor

IMPLS = ["ref", "compiled"]
SHAPES = [(5, 3, 3, 3), (7, 33), (1, 6, 5, 3, 3), (13,), (1,), (3, 1), (1, 17), (2, 1, 5)]


def parameters(shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for shape in shapes:
        made.append(paddle.create_parameter(list(shape), "float32"))
        made[-1].set_value(rng.standard_normal(shape).astype(np.float32))
    return made


def gradients(shapes=SHAPES, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) + 0.5 for shape in shapes]


def give(params, grads):
    for param, grad in zip(params, grads):
        param.clear_gradient(False)
        (param * paddle.to_tensor(grad)).sum().backward()


def train(params, optimizer, steps, first=0, shapes=SHAPES):
    for step in range(first, first + steps):
        give(params, gradients(shapes, seed=100 + step))
        optimizer.step()


def values(params):
    return [param.astype("float32").numpy() for param in params]


def equal(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs))


@pytest.mark.parametrize("options", [{}, {"use_gc": False}, {"gc_conv_only": True, "k": 2}])
def test_compiled_equals_plain_paddle(options):
    shapes = SHAPES + [(1, (1 << 20) + 17, 1), (70000,), (600, 70)]  # a row cut up, odd ends
    ours, theirs = parameters(shapes), parameters(shapes)
    a = Ranger(parameters=ours, impl="compiled", weight_decay=0.1, **options)
    b = Ranger(parameters=theirs, impl="ref", weight_decay=0.1, **options)
    train(ours, a, 9, shapes=shapes)
    train(theirs, b, 9, shapes=shapes)
    for shape, x, y in zip(shapes, values(ours), values(theirs)):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6, err_msg=str(shape))


def test_result_does_not_depend_on_the_number_of_threads():
    shapes = [(1, (1 << 20) + 17, 1), (64, 3000)]
    results = []
    for threads in (1, 2):
        paddle.base.core.set_num_threads(threads)
        params = parameters(shapes)
        train(params, Ranger(parameters=params, impl="compiled"), 2, shapes=shapes)
        results.append(values(params))
    use_all_cores()
    assert equal(*results)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 3, 3, 3), (1, 2, 3)), ((5, 9), (0,)), ((1, 4, 3, 3, 3), (0, 1, 2, 3, 4)), ((6,), None)],
)
def test_mean_is_taken_over_all_but_the_outputs(impl, shape, axes):
    (param,) = params = parameters([shape])
    before = param.numpy()
    grad = gradients([shape])[0]
    give(params, [grad])
    Ranger(parameters=params, impl=impl).step()
    centred = grad if axes is None else grad - grad.mean(axis=axes, keepdims=True)
    np.testing.assert_allclose(param.numpy(), before - 1e-3 * centred, atol=1e-6)


def test_gc_axis_of_a_parameter_is_obeyed():
    (param,) = params = parameters([(5, 9)])
    param.gc_axis = 0
    before, grad = param.numpy(), gradients([(5, 9)])[0]
    give(params, [grad])
    Ranger(parameters=params, impl="compiled").step()
    want = before - 1e-3 * (grad - grad.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(param.numpy(), want, atol=1e-6)
    param.gc_axis = None
    assert gc_layout(param) == (0, 1)
    param.gc_axis = 2
    with pytest.raises(UserError, match="gc_axis is 2"):
        gc_layout(param)


def test_first_steps_are_not_adaptive():
    adaptive = [radam_factor(step, (0.95, 0.999), 5)[1] for step in range(1, 9)]
    assert adaptive == [False] * 5 + [True] * 3
    factor, _ = radam_factor(10**6, (0.95, 0.999), 5)
    assert math.isclose(factor, 1, rel_tol=1e-6)


@pytest.mark.parametrize("impl", IMPLS)
def test_scheduler_sets_the_rate(impl):
    scheduled, plain = parameters(), parameters()
    schedule = paddle.optimizer.lr.StepDecay(0.1, step_size=1, gamma=0.5)
    optimizer = Ranger(schedule, scheduled, impl=impl)
    other = Ranger(0.1, plain, impl=impl)
    for step in range(3):
        train(scheduled, optimizer, 1, step)
        schedule.step()
        train(plain, other, 1, step)
        other.set_lr(0.1 * 0.5 ** (step + 1))
    assert equal(values(scheduled), values(plain))
    assert not equal(values(scheduled), values(parameters()))


@pytest.mark.parametrize("impl", IMPLS)
def test_groups_have_their_own_options(impl):
    grouped, first, second = parameters(), parameters(), parameters()
    own = {"learning_rate": 0.1, "weight_decay": 0.5, "k": 2, "betas": (0.9, 0.99)}
    groups = [{"params": grouped[:2]}, {"params": grouped[2:], **own}]
    optimizer = Ranger(1e-2, groups, weight_decay=0.1, impl=impl)
    train(grouped, optimizer, 8)
    train(first, Ranger(1e-2, first, weight_decay=0.1, impl=impl), 8)
    train(second, Ranger(1e-3, second, k=2, betas=(0.9, 0.99), weight_decay=0.5, impl=impl), 8)
    for ours, theirs in zip(values(grouped), values(first)[:2] + values(second)[2:]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("grouped", [False, True])
def test_gradients_are_clipped(grouped):
    ours, theirs = parameters(), parameters()
    clip = paddle.nn.ClipGradByGlobalNorm(0.5)
    optimizer = Ranger(
        0.1, [{"params": ours}] if grouped else ours, grad_clip=clip, impl="compiled"
    )
    grads = gradients()
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
    assert norm > 0.5
    give(ours, grads)
    optimizer.step()
    give(theirs, [grad * (0.5 / norm) for grad in grads])
    Ranger(0.1, theirs, impl="compiled").step()
    for x, y in zip(values(ours), values(theirs)):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("impl", IMPLS)
def test_scaler_skips_infinite_gradients_and_nothing_else(impl, monkeypatch):
    # Paddle switches its scaler off on a CPU and outside float16's auto_cast, where all that it
    # does works: let it see a GPU and float16.
    tracer = SimpleNamespace(_expected_place=SimpleNamespace(is_gpu_place=lambda: True))
    monkeypatch.setattr("paddle.amp.grad_scaler._dygraph_tracer", lambda: tracer)
    amp = SimpleNamespace(amp_dtype="float16")
    monkeypatch.setattr("paddle.amp.grad_scaler.amp_global_state", lambda: amp)
    params, plain = parameters(), parameters()
    optimizer = Ranger(parameters=params, impl=impl)
    scaler = paddle.amp.GradScaler(init_loss_scaling=4.0, decr_every_n_nan_or_inf=2)

    def scaled_step(seed, poison=False):
        for param in params:
            param.clear_gradient(False)
        loss = sum((p * paddle.to_tensor(g)).sum() for p, g in zip(params, gradients(seed=seed)))
        scaler.scale(loss * float("inf") if poison else loss).backward()
        scaler.step(optimizer)
        scaler.update()

    scaled_step(100)
    before, state = values(params), optimizer.state_dict()
    counts = {key: value for key, value in state.items() if key.endswith(".step")}
    scaled_step(101, poison=True)
    assert equal(values(params), before)
    assert {key: optimizer.state_dict()[key] for key in counts} == counts
    assert scaler.state_dict()["decr_count"] == 1  # the scaler knows
    give(params, gradients(seed=101))
    optimizer.step()  # without a scaler: its old verdict must not hold
    other = Ranger(parameters=plain, impl=impl)
    train(plain, other, 2)
    for x, y in zip(values(params), values(plain)):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


def test_parameters_without_gradients_are_left_alone():
    params = parameters()
    params[0].stop_gradient = True
    before = values(params)
    optimizer = Ranger(parameters=params, impl="compiled", weight_decay=0.1)
    for param, grad in list(zip(params, gradients()))[2:]:
        (param * paddle.to_tensor(grad)).sum().backward()
    optimizer.step()
    after = values(params)
    assert equal(after[:2], before[:2])
    assert not any(np.array_equal(x, y) for x, y in list(zip(after, before))[2:])


def test_wrong_arguments_are_named():
    params = parameters([(2,)])
    for options, message in [
        ({"impl": "fast"}, "impl"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"k": 0}, "k is 0"),
        ({"n_sma_threshold": 3}, "n_sma_threshold"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ]:
        with pytest.raises(UserError, match=message):
            Ranger(parameters=params, **options)
    with pytest.raises(UserError, match="unknown key 'lr'"):
        Ranger(parameters=[{"params": params, "lr": 0.1}])
