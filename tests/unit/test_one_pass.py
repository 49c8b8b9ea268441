"""The compiled operators beside plain Paddle, and machines without a compiler."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.compiler import BuildError, find_compiler
from work.models.ops import one_pass
from work.models.ops.one_pass import activate, prelu, spatial_mean


@pytest.fixture
def forgotten(monkeypatch, tmp_path):
    """A process that has not loaded the operators, and builds them anew."""
    monkeypatch.setattr(one_pass, "_loaded", {})
    monkeypatch.setenv("SAM_COMPILED_CACHE", str(tmp_path))


@pytest.fixture
def loaded(forgotten):
    try:
        find_compiler()
    except BuildError as error:
        pytest.skip(f"{error}: the compiled operators were not run")
    one_pass.load()
    assert "library" in one_pass._loaded, one_pass._loaded


def numbers(*shape):
    rng = np.random.default_rng(sum(shape))
    return paddle.to_tensor(rng.standard_normal(shape).astype(np.float32), stop_gradient=False)


def assert_same(run, inputs):
    """`run("auto")` and `run("ref")` agree in value and in the gradients of a sum of cubes."""
    found, wanted = ([y, *paddle.grad([(y**3).sum()], inputs)] for y in map(run, ("auto", "ref")))
    for a, b in zip(found, wanted):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= 1e-5 * float(b.abs().max())


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 5, 7, 9), (2, 4, 65, 65)])
def test_prelu_is_paddles(loaded, shape):
    x, slope = numbers(*shape), numbers(shape[1])
    assert_same(lambda impl: prelu(x, slope, impl), [x, slope])


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 5, 7, 9), (2, 4, 65, 65)])
@pytest.mark.parametrize("own_noise", [False, True])
def test_activation_is_paddles(loaded, shape, own_noise):
    n, c, h, w = shape
    x, scale, bias = numbers(*shape), numbers(n, c), numbers(c)
    noise = numbers(n if own_noise else 1, 1, h, w)
    assert_same(lambda i: activate(x, scale, noise, bias, 0.2, i), [x, scale, noise, bias])
    assert_same(lambda i: activate(x, scale, None, bias, 0.2, i), [x, scale, bias])
    assert_same(lambda i: activate(x, scale, noise, impl=i), [x, scale, noise])
    assert_same(lambda i: activate(x[:, :, :, ::2], scale, impl=i), [x, scale])


def test_frozen_inputs_get_no_gradient(loaded):
    x, scale, bias, slope = numbers(2, 3, 4, 5), numbers(2, 3), numbers(3), numbers(3)
    scale.stop_gradient = bias.stop_gradient = slope.stop_gradient = True
    prelu(activate(x, scale, None, bias, 0.2), slope).sum().backward()
    assert x.grad is not None
    assert scale.grad is None and bias.grad is None and slope.grad is None
    x.stop_gradient, scale.stop_gradient, slope.stop_gradient = True, False, False
    activate(x, scale, None, bias, 0.2).sum().backward()
    prelu(x, slope).sum().backward()
    assert scale.grad is not None and slope.grad is not None


def test_spatial_mean():
    x = numbers(3, 5, 7, 9)
    found, wanted = spatial_mean(x), x.mean(axis=[2, 3], keepdim=True)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-6)
    grads = [paddle.grad([(y**3).sum()], [x])[0].numpy() for y in (found, wanted)]
    np.testing.assert_allclose(*grads, atol=1e-6)


def test_a_nan_is_not_lost(loaded):
    x = paddle.full([1, 2, 3, 3], float("nan"))
    assert bool(prelu(x, paddle.ones([2])).isnan().all())
    assert bool(activate(x, paddle.ones([1, 2]), slope=0.2).isnan().all())


def test_without_a_compiler_plain_paddle_and_one_line(forgotten, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    for _ in range(2):
        one_pass.load()
    (line,) = capsys.readouterr().err.splitlines()
    assert "no C++ compiler" in line and "slower" in line
    x, slope = numbers(2, 3, 4, 5), numbers(3)
    assert_same(lambda impl: prelu(x, slope, impl), [x, slope])


def test_wrong_numbers_are_not_used(loaded, monkeypatch, capsys):
    monkeypatch.setattr(one_pass, "_loaded", {})
    monkeypatch.setattr(one_pass, "check", lambda: float("nan"))
    one_pass.load()
    assert "differ from plain Paddle" in capsys.readouterr().err
    assert "library" not in one_pass._loaded
