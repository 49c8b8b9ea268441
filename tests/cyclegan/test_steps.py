"""Losses, pool, plans and one step, against numbers that are known beforehand."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.configs.age_groups import parse_groups
from work.datasets.training import batch_positions
from work.errors import UserError
from work.models.cyclegan.cyclegan import CycleGAN
from work.training.cyclegan.losses import (
    discriminator_loss,
    diversity,
    least_squares,
    mismatch_loss,
)
from work.training.cyclegan.passes import CyclePasses, Lambdas, Side
from work.training.cyclegan.plans import GroupPlanner, Plan, YearsPlanner
from work.training.cyclegan.pool import ImagePool


def tensor(*values):
    return paddle.to_tensor(values, dtype="float32")


def pictures(count, size=16):
    drawn = np.random.default_rng(count).uniform(-1, 1, (count, 3, size, size))
    return paddle.to_tensor(drawn.astype(np.float32))


def test_losses_of_scores_that_are_known():
    assert float(least_squares(tensor(1, 3), True)) == 2  # (0 + 4) / 2
    assert float(least_squares(tensor(1, 3), False)) == 5  # (1 + 9) / 2
    assert float(discriminator_loss(tensor(1, 3), tensor(0, 2))) == 2  # (2 + 2) / 2


def test_a_wrong_age_counts_in_proportion_to_the_years():
    scores = paddle.to_tensor([2.0, 3.0, 4.0]).reshape([3, 1, 1, 1])
    assert float(mismatch_loss(scores, tensor(0, 20, -40))) == pytest.approx((4.5 + 16) / 3 / 2)


def test_diversity_is_one_of_the_same_faces_and_none_of_one_face():
    faces = pictures(4)
    assert float(diversity(faces, faces)) == pytest.approx(1)
    assert float(diversity(faces / 2 + 0.3, faces)) == pytest.approx(0.5, rel=1e-4)
    assert float(diversity(faces[:1].tile([4, 1, 1, 1]), faces)) == 0


def test_a_pool_that_is_not_full_gives_back_what_it_gets():
    pool, faces = ImagePool(50), pictures(50)
    given, ages = pool.query(faces, paddle.arange(50.0), np.random.default_rng(0))
    assert np.array_equal(given.numpy(), faces.numpy()) and ages.tolist() == [*range(50)]


def test_a_full_pool_exchanges_half_with_their_ages_and_without_a_graph():
    pool, rng = ImagePool(50), np.random.default_rng(0)
    scale = paddle.ones([1])
    scale.stop_gradient = False
    number = paddle.arange(1000.0).reshape([1000, 1, 1, 1])
    given, ages = pool.query(number * scale, number.flatten(), rng)
    assert given.stop_gradient and all(face.stop_gradient for face in pool.faces)
    assert np.array_equal(given.flatten().numpy(), ages.numpy())
    earlier = int((ages[50:] != paddle.arange(50.0, 1000)).sum())
    assert 0.45 < earlier / 950 < 0.55
    assert len(pool.faces) == 50


def test_a_pool_of_none_passes_everything_through():
    faces = pictures(3)
    given, _ = ImagePool(0).query(faces, tensor(1, 2, 3), np.random.default_rng(0))
    assert np.array_equal(given.numpy(), faces.numpy())


def test_a_restored_pool_goes_on_alike():
    first, second, faces = ImagePool(4), ImagePool(4), pictures(12)
    first.query(faces[:6], paddle.arange(6.0), np.random.default_rng(0))
    second.set_state_dict(first.state_dict())
    a, b = (
        pool.query(faces[6:], paddle.arange(6.0), np.random.default_rng(1))
        for pool in (first, second)
    )
    assert np.array_equal(a[0].numpy(), b[0].numpy()) and a[1].tolist() == b[1].tolist()
    assert ImagePool(4).state_dict() == {}


AGES = np.array([*range(15, 86), *[25] * 200, 3, np.nan], np.float32)


def test_group_plans_are_half_young_half_old_however_many_there_are():
    planner = GroupPlanner(AGES, *parse_groups("20-40,60+"), seed=0)
    seen = [
        index for batch in range(30) for index, _ in planner.plan(batch_positions(batch, 4)).keys
    ]
    ages = AGES[seen].reshape(30, 2, 4)
    assert ((ages[:, 0] >= 20) & (ages[:, 0] < 40)).all() and (ages[:, 1] >= 60).all()
    assert (
        len(set(seen[4::8] + seen[5::8] + seen[6::8] + seen[7::8])) == 26
    )  # each old face is seen
    with pytest.raises(UserError, match="90\\+ has no face"):
        GroupPlanner(AGES, *parse_groups("20-40,90+"), seed=0)


def test_two_ranks_read_what_one_reads_with_twice_the_batch():
    planner = GroupPlanner(AGES, *parse_groups("20-40,60+"), seed=0)
    whole = planner.plan(batch_positions(5, 4)).keys
    parts = [planner.plan(batch_positions(5, 2, rank, 2)).keys for rank in (0, 1)]
    assert [*parts[0][:2], *parts[1][:2], *parts[0][2:], *parts[1][2:]] == whole


def test_plans_of_years_end_at_ages_of_real_faces_that_lie_beside_them():
    planner = YearsPlanner(AGES, parse_groups("20-40,40-60,60+"), seed=0)
    plans = [planner.plan(batch_positions(batch, 3)) for batch in range(60)]
    for plan in plans:
        ages = AGES[[index for index, _ in plan.keys]]
        assert np.array_equal(plan.targets, ages[:6] + plan.years)
        assert (np.abs(ages[6:] - plan.targets) <= 2).all()
        assert 20 <= ages[0] < 40 <= ages[1] < 60 <= ages[2]  # the groups in turn
    years = np.stack([plan.years for plan in plans])
    assert set(years[:, :3].flatten()) == {0, 10, 20, 30, 40}
    assert set(years[:, 3:].flatten()) == {0, -10, -20, -30, -40}
    assert all(np.array_equal(planner.plan(range(6, 9)).years, plans[2].years) for _ in range(2))


def brightness(x):
    """An age network whose years are known: 50 for grey, 100 for white."""
    return 50 * (x.mean(axis=[1, 2, 3]) + 1)


@pytest.fixture
def recipe():
    net = CycleGAN(2, 2, 1, conditioned=True, seed=0)
    return CyclePasses(net, Lambdas(), brightness, pool_size=0)


def test_a_generators_loss_leaves_the_discriminators_gradients_alone(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    seen = []

    def backward(loss):
        loss.backward()
        grads = {
            n: None if p.grad is None else p.grad.numpy().copy()
            for n, p in recipe.net.named_parameters()
        }
        seen.append({n: g for n, g in grads.items() if g is not None and g.any()})

    recipe(pictures(4, 64), plan, backward, np.random.default_rng(0))
    generators, after_first_judge = seen[1], seen[2]
    assert {name.split(".")[0] for name in generators} == {"older", "younger"}
    assert {name.split(".")[0] for name in after_first_judge} == {"older", "younger", "judge_older"}
    for name, gradient in generators.items():
        assert np.array_equal(
            gradient, seen[3][name]
        )  # nor do the discriminators' losses reach a generator
    assert all(not p.stop_gradient for p in recipe.net.parameters())


def test_the_loss_is_the_weighted_sum_of_its_terms(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    terms = recipe(pictures(4, 64), plan, lambda loss: None).terms
    for name in ("older", "younger"):
        gan, cycle, l1, age = (float(terms[f"{t}_{name}"]) for t in ("gan", "cycle", "l1", "age"))
        assert float(terms[f"loss_{name}"]) == pytest.approx(
            gan + 10 * cycle + l1 + age / 2, rel=1e-5
        )


def test_discriminators_refuse_sources_as_faces_of_the_wanted_age(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    faces, terms = pictures(4, 64), {}
    for mismatch in (0.0, 2.0):
        passes = CyclePasses(recipe.net, Lambdas(mismatch=mismatch), brightness, pool_size=0)
        terms[mismatch] = passes(faces, plan, lambda loss: None).terms
    scores = recipe.net.judge_older(faces[:1], tensor(60))
    expected = float((scores**2).mean()) / 4  # half of it, for half of the most years
    assert float(terms[2.0]["mismatch_older"]) == pytest.approx(expected, rel=1e-4)
    assert float(terms[2.0]["judge_older"] - terms[0.0]["judge_older"]) == pytest.approx(
        2 * expected, rel=1e-3
    )


def test_the_age_network_looks_at_outputs_in_random_ways_in_training_alone(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    faces = pictures(4, 64)
    passes = CyclePasses(recipe.net, Lambdas(), brightness, pool_size=0, looks=2)
    plain = recipe(faces, plan, lambda loss: None).numbers["age_real"].tolist()
    assert passes(faces, plan, lambda loss: None).numbers["age_real"].tolist() == plain
    looked = passes(faces, plan, lambda loss: None, np.random.default_rng(0)).numbers["age_real"]
    again = passes(faces, plan, lambda loss: None, np.random.default_rng(0)).numbers["age_real"]
    assert looked.tolist() == again.tolist() != plain


def test_the_wanted_age_is_the_estimated_one_plus_the_years(recipe):
    faces = paddle.full([4, 3, 64, 64], 0.2)
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    numbers = recipe(faces, plan, lambda loss: None).numbers
    assert numbers["source_age"].tolist() == pytest.approx([60, 60], abs=0.01)
    assert numbers["target_age"].tolist() == pytest.approx([80, 50], abs=0.01)


def test_group_gan_asks_that_a_face_of_the_target_group_stays():
    net, faces = CycleGAN(2, 2, 1), pictures(2, 64)
    terms = CyclePasses(net, Lambdas(), pool_size=0)(faces, Plan([]), lambda loss: None).terms
    expected = (net.older(faces[1:]) - faces[1:]).abs().mean()
    assert float(terms["identity_older"]) == pytest.approx(float(expected), rel=1e-5)
    without = CyclePasses(net, Lambdas(identity=0), pool_size=0)(faces, Plan([]), lambda loss: None)
    assert "identity_older" not in without.terms


def test_validation_leaves_the_pools_as_they_are():
    recipe = CyclePasses(CycleGAN(2, 2, 1), Lambdas())
    recipe(pictures(4, 64), Plan([]), lambda loss: None)
    assert not recipe.pools["older"].faces
    recipe(pictures(4, 64), Plan([]), lambda loss: None, np.random.default_rng(0))
    assert len(recipe.pools["older"].faces) == 2


def test_a_way_back_that_is_left_out_takes_nothing_and_counts_more_later(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    faces, losses = pictures(4, 64), {}
    for cycle in (0.0, 1.0, 4.0):
        outcome = recipe(faces, plan, lambda loss: None, cycle=cycle)
        losses[cycle] = float(outcome.terms["loss_older"])
        assert ("cycle_older" in outcome.terms) == (outcome.recovered is not None) == (cycle > 0)
    assert losses[4.0] - losses[0.0] == pytest.approx(4 * (losses[1.0] - losses[0.0]), rel=1e-3)


def test_discriminators_know_real_from_made_and_the_way_back_is_as_long(recipe):
    plan = Plan([], np.array([20, -10], np.float32), np.array([60, 30], np.float32))
    faces, asked = pictures(4, 64), []
    real_back = Side.back
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Side, "back", lambda side, *_: asked.append(side) or real_back(side, *_))
        passes = CyclePasses(recipe.net, Lambdas(mismatch=0), brightness, pool_size=0)
        terms = passes(faces, plan, lambda loss: None).terms
    net, older = recipe.net, asked[0]
    ages, years = brightness(faces[:1]), tensor(20)
    made = net.older(faces[:1], ages, years)
    fake, real = net.judge_older(made, tensor(60)), net.judge_older(faces[2:3], tensor(60))
    assert float(terms["gan_older"]) == pytest.approx(float(((fake - 1) ** 2).mean()), rel=1e-4)
    judged = float((((real - 1) ** 2).mean() + (fake**2).mean()) / 2)
    assert float(terms["judge_older"]) == pytest.approx(judged, rel=1e-4)
    back = net.younger(made, ages + years, -years)
    assert np.allclose(real_back(older, net.younger, made), back, atol=1e-6)
    away = float((back - faces[:1]).abs().mean())
    assert float(terms["cycle_older"]) == pytest.approx(away, rel=1e-4)
