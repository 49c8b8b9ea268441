"""The terms of the objective: their sums, and which lambda counts when."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.unit.training_kit import TinyFeatures, TinyLPIPS
from work.criteria.aging import AgingLoss
from work.criteria.identity import crop_face
from work.criteria.l2 import l2_loss
from work.training.objective import Lambdas, Objective


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


def one_pass(label: str, no_aging: bool = False, **lambdas: float) -> dict[str, float]:
    """The terms of a pass with tiny networks, in which source and output differ by 0.5 everywhere."""
    objective = Objective(Lambdas(**lambdas), None, TinyLPIPS(), AgingLoss(TinyFeatures(4)))
    faces = paddle.zeros([2, 3, 256, 256])
    source, codes = objective.source(faces), paddle.zeros([2, 4, 512])
    loss = objective(source, faces + 0.5, codes, None, source.ages, no_aging, label)
    return {name: float(value) for name, value in loss.terms.items()}


@pytest.mark.parametrize("term", ["l2", "lpips"])
def test_a_real_pass_that_ages_has_lambdas_of_its_own(term):
    both = {f"{term}_lambda": 2.0, f"{term}_lambda_aging": 10.0}
    value = one_pass("real", **both)[f"loss_{term}_real"]
    assert one_pass("real", **both)["loss_real"] == pytest.approx(10 * value)
    assert one_pass("real", no_aging=True, **both)["loss_real"] == pytest.approx(2 * value)
    assert one_pass("cycle", **both)["loss_cycle"] == pytest.approx(2 * value)


@pytest.mark.parametrize("term", ["l2", "lpips"])
def test_as_in_the_official_code_a_lambda_of_0_switches_the_term_off_in_all_passes(term):
    for no_aging in (False, True):
        terms = one_pass("real", no_aging, **{f"{term}_lambda_aging": 10.0})
        assert terms == {"loss_real": 0}
    assert not Lambdas(lpips_lambda_aging=1).need_lpips


@pytest.mark.parametrize("term", ["l2", "lpips"])
def test_an_aging_lambda_of_0_switches_off_real_passes_that_age_alone(term):
    lambdas = {f"{term}_lambda": 2.0}
    assert one_pass("real", **lambdas)["loss_real"] == 0
    assert one_pass("real", no_aging=True, **lambdas)["loss_real"] > 0
