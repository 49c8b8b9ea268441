"""The terms of the objective."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.criteria.identity import crop_face
from work.criteria.l2 import l2_loss


@pytest.mark.parametrize("batch", [1, 2, 6, 16])
@pytest.mark.parametrize("crop", [False, True])
def test_squared_errors_are_exact_for_any_batch(batch, crop):
    rng = np.random.default_rng(batch)
    a, b = (rng.uniform(-1, 1, (batch, 3, 256, 256)).astype(np.float32) for _ in range(2))
    x, y = paddle.to_tensor(a, stop_gradient=False), paddle.to_tensor(b)
    loss = l2_loss(*((crop_face(x), crop_face(y)) if crop else (x, y)))
    loss.backward()
    if crop:
        a, b = a[:, :, 35:223, 32:220], b[:, :, 35:223, 32:220]
    difference = a.astype(np.float64) - b
    assert loss.dtype == paddle.float32
    assert float(loss) == pytest.approx((difference**2).mean(), rel=1.2e-7)  # one float32 step
    gradient = crop_face(x.grad) if crop else x.grad
    np.testing.assert_allclose(gradient.numpy(), 2 * difference / difference.size, rtol=5e-7)
