"""oneDNN's convolutions beside Paddle's own: values, gradients, bits, memory, and what happens without them."""

from __future__ import annotations

import sys

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from work.models.ops import convolution, one_pass, onednn
from work.models.ops.convolution import Conv2D, conv2d, conv2d_transpose
from work.training import cpu

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Paddle's wheels have oneDNN's library on Linux"
)


def numbers(*shape):
    rng = np.random.default_rng(sum(shape))
    return paddle.to_tensor(rng.standard_normal(shape).astype(np.float32), stop_gradient=False)


def assert_same(run, inputs):
    """`run("onednn")` and `run("ref")` agree in value and in the gradients of a sum of cubes."""
    found, wanted = ([y, *paddle.grad([(y**3).sum()], inputs)] for y in (run("onednn"), run("ref")))
    for a, b in zip(found, wanted):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= 1e-5 * float(b.abs().max())


@pytest.mark.parametrize(
    "n, channels, size, out, kernel, stride, padding, groups",
    [
        (1, 8, (9, 7), 12, 3, 1, 1, 1),
        (3, 4, (11, 6), 8, 1, 2, 0, 1),
        (2, 3, (33, 34), 16, 11, 4, 2, 1),
        (3, 8, (10, 9), 4, 3, 2, 1, 2),
        (2, 6, (9, 9), 6, 4, 1, (1, 2, 0, 3), 6),
        (1, 64, (17, 16), 64, 3, 2, 1, 1),
        (2, 5, (5, 5), 7, 5, 3, 2, 1),
    ],
)
def test_values_and_gradients_are_paddles(n, channels, size, out, kernel, stride, padding, groups):
    x, bias = numbers(n, channels, *size), numbers(out)
    weight = numbers(out, channels // groups, kernel, kernel)
    assert_same(
        lambda impl: conv2d(x, weight, bias, stride, padding, groups, impl), [x, weight, bias]
    )


@pytest.mark.parametrize("n, groups, stride", [(1, 1, 2), (3, 2, 2), (2, 1, 1), (1, 4, 3)])
def test_transposed_values_and_gradients_are_paddles(n, groups, stride):
    x, weight = numbers(n, 8, 5, 7), numbers(8, 6, 3, 3)
    assert_same(lambda impl: conv2d_transpose(x, weight, stride, groups, impl), [x, weight])


@pytest.mark.parametrize("padding, output_padding", [(1, 0), (1, 1), (0, 1)])
def test_transposed_borders_are_paddles(padding, output_padding):
    x, weight = numbers(2, 4, 5, 7), numbers(4, 3, 3, 3)
    borders = {"padding": padding, "output_padding": output_padding}
    assert_same(lambda impl: conv2d_transpose(x, weight, 2, impl=impl, **borders), [x, weight])


def test_tensors_with_strides_and_a_weight_that_is_used_twice():
    whole, square = numbers(2, 9, 12, 6), numbers(6, 6, 3, 3)

    def run(impl):
        x = whole.transpose([0, 3, 1, 2])[:, :, ::2, 1:]
        y = conv2d(x, square.transpose([1, 0, 2, 3]), padding=1, impl=impl)
        return conv2d(y, square, padding=1, impl=impl) + conv2d_transpose(
            y[:, :, 1:-1, 1:-1], square, impl=impl
        )

    assert_same(run, [whole, square])


def test_only_the_wanted_gradients_are_computed(monkeypatch):
    kinds = []
    real = onednn.convolve
    monkeypatch.setattr(onednn, "convolve", lambda kind, *a: (kinds.append(kind), real(kind, *a)))
    x, weight = numbers(1, 4, 6, 6), numbers(4, 4, 3, 3)
    weight.stop_gradient = True
    conv2d(x, weight, impl="onednn").sum().backward()
    assert kinds == [onednn.FORWARD, onednn.DATA_GRADIENT]
    assert weight.grad is None and x.grad is not None
    kinds.clear()
    x.stop_gradient, weight.stop_gradient = True, False
    conv2d(x, weight, impl="onednn").sum().backward()
    assert kinds == [onednn.FORWARD, onednn.WEIGHT_GRADIENT]
    bias, weight.stop_gradient = numbers(4), True
    conv2d(x, weight, bias, impl="onednn").sum().backward()
    np.testing.assert_allclose(bias.grad.numpy(), np.full(4, 16), rtol=1e-6)
    with paddle.no_grad():
        assert conv2d(x, weight, bias, impl="onednn").stop_gradient


needs_bfloat16 = pytest.mark.skipif(
    convolution.half_problem() is not None, reason="this CPU has no convolutions in bfloat16"
)


@needs_bfloat16
@pytest.mark.parametrize("groups, stride", [(1, 1), (1, 2), (4, 1)])
def test_factors_in_bfloat16(groups, stride):
    """As Paddle's convolution of factors that were rounded to bfloat16: only they are rounded, not the sums."""
    x, weight, bias = numbers(2, 16, 12, 11), numbers(8, 16 // groups, 3, 3), numbers(8)

    def run(impl, x, weight):
        y = conv2d(x, weight, bias, stride, 1, groups, impl)
        return [y, *paddle.grad([y.sum()], [x, weight, bias])]  # a gradient of ones is exact

    with convolution.in_bfloat16():
        found = run("onednn", x, weight)
    rounded = (t.astype("bfloat16").astype("float32").detach() for t in (x, weight))
    wanted = run("ref", *(paddle.to_tensor(t, stop_gradient=False) for t in rounded))
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5 * float(b.abs().max()))
    assert 1e-4 < float((found[0] - run("ref", x, weight)[0]).abs().max()) < 0.1


@needs_bfloat16
def test_gradients_are_in_the_precision_of_their_forward_pass():
    x, weight = numbers(1, 8, 9, 9), numbers(8, 8, 3, 3)
    with convolution.in_bfloat16():
        y = conv2d(x, weight, padding=1, impl="onednn")
    after = paddle.grad([conv2d(x, weight, padding=1, impl="onednn").sum()], [x, weight])
    outside = paddle.grad([y.sum()], [x, weight])
    assert not np.array_equal(outside[1].numpy(), after[1].numpy())
    np.testing.assert_allclose(outside[1].numpy(), after[1].numpy(), atol=0.2)


def test_without_bfloat16_nothing_is_rounded_quietly(monkeypatch):
    monkeypatch.setattr(convolution, "half_problem", lambda: "not on this CPU")
    with pytest.raises(onednn.OneDNNError, match="not on this CPU"):
        with convolution.in_bfloat16():
            pass


def test_the_same_bits_every_time():
    x, weight = numbers(2, 64, 40, 40), numbers(64, 64, 3, 3)
    runs = []
    for _ in range(3):
        y = conv2d(x, weight, padding=1, impl="onednn")
        runs.append([t.numpy() for t in (y, *paddle.grad([(y * y).sum()], [x, weight]))])
    for other in runs[1:]:
        for a, b in zip(runs[0], other):
            np.testing.assert_array_equal(a, b)


def test_a_bias_with_strides():
    x, weight, bias = numbers(2, 4, 6, 6), numbers(8, 4, 3, 3), numbers(4 * 8)
    found, expected = (
        conv2d(x, weight, bias[::4], impl=impl).numpy() for impl in ("onednn", "ref")
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_layer_is_paddles():
    ours, theirs = Conv2D(6, 8, 3, 2, 1, groups=2), paddle.nn.Conv2D(6, 8, 3, 2, 1, groups=2)
    theirs.set_state_dict(ours.state_dict())
    x = numbers(2, 6, 9, 9)
    np.testing.assert_allclose(ours(x).numpy(), theirs(x).numpy(), atol=1e-5)


def test_what_onednn_cannot_do():
    x, weight = numbers(1, 4, 6, 6).astype("float64"), numbers(4, 4, 3, 3).astype("float64")
    np.testing.assert_array_equal(conv2d(x, weight).numpy(), F.conv2d(x, weight).numpy())
    with pytest.raises(onednn.OneDNNError, match="float32"):
        conv2d(x, weight, impl="onednn")
    with pytest.raises(onednn.OneDNNError, match="status"):
        conv2d(numbers(1, 4, 6, 6), numbers(4, 3, 3, 3), impl="onednn")
    with pytest.raises(ValueError, match="impl"):
        conv2d(x, weight, impl="fast")


@pytest.fixture
def untried(monkeypatch):
    """A process that has not tried oneDNN yet, and will forget what it found."""
    monkeypatch.setattr(one_pass, "_loaded", {"problem": "not here"})
    caches = (convolution.problem, convolution.half_problem, onednn.library, onednn._prepared)
    for function in caches:
        function.cache_clear()
    yield
    for function in caches:
        function.cache_clear()


def test_without_the_library_plain_paddle_and_one_line(untried, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paddle.sysconfig, "get_lib", lambda: str(tmp_path))
    cpu.prepare()
    (line,) = capsys.readouterr().err.splitlines()
    assert "libdnnl" in line and "Paddle's convolutions" in line
    x, weight = numbers(1, 4, 6, 6), numbers(4, 4, 3, 3)
    np.testing.assert_array_equal(conv2d(x, weight).numpy(), F.conv2d(x, weight).numpy())


def test_wrong_numbers_are_not_used(untried, monkeypatch, capsys):
    def wrong(kind, shape, source, weights, destination, bias=None):
        (source, weights, destination)[onednn.RESULT[kind]].fill_(1.0)

    monkeypatch.setattr(onednn, "convolve", wrong)
    cpu.prepare()
    assert "differs from plain Paddle" in capsys.readouterr().err
    x, weight = numbers(1, 4, 6, 6), numbers(4, 4, 3, 3)
    np.testing.assert_array_equal(conv2d(x, weight).numpy(), F.conv2d(x, weight).numpy())
