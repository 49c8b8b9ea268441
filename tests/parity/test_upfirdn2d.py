import re

import numpy as np
import paddle
import pytest

from tests.parity.conftest import error
from work.models.ops.upfirdn2d import make_kernel, upfirdn2d


@pytest.mark.parametrize("impl", ["auto", "ref"])
def test_golden(golden, impl):
    data = golden("upfirdn2d")
    x, kernel = paddle.to_tensor(data.pop("x")), data.pop("kernel")
    for name, expected in data.items():
        up, down, before, after = map(int, re.findall(r"-?\d+", name))
        found = upfirdn2d(x, kernel, up, down, (before, after), impl)
        assert error(found, expected) < 1e-5, name


@pytest.mark.parametrize("case", range(60))
def test_polyphase_equals_the_formula(case):
    """Random filters, factors, odd sizes, uneven and negative padding."""
    rng = np.random.default_rng(case)
    kernel = rng.normal(size=rng.integers(1, 7, 2)).astype(np.float32)
    up, down = rng.integers(1, 4, 2)
    pad = tuple(int(p) for p in rng.integers(-2, 6, 4))
    x = paddle.to_tensor(rng.normal(size=(2, 3, *rng.integers(10, 15, 2))).astype(np.float32))
    expected = upfirdn2d(x, kernel, int(up), int(down), pad, impl="ref").numpy()
    assert error(upfirdn2d(x, kernel, int(up), int(down), pad), expected) < 1e-5


def test_gradient_is_the_reference_one():
    kernel = make_kernel([1, 2, 5, 3])
    x = paddle.randn([1, 2, 6, 6])
    grads = []
    for impl in ("auto", "ref"):
        x.stop_gradient = False
        y = upfirdn2d(x, kernel, up=2, pad=(2, 1), impl=impl)
        grads.append(paddle.grad((y**3).sum(), x)[0])
    assert error(grads[0], grads[1].numpy()) < 1e-5


def test_errors():
    x = paddle.zeros([1, 1, 4, 4])
    with pytest.raises(ValueError, match="nothing is left"):
        upfirdn2d(x, np.ones((9, 9)))
    with pytest.raises(ValueError, match="impl"):
        upfirdn2d(x, np.ones((3, 3)), impl="fast")
