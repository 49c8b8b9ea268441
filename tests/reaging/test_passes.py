"""One step of the re-ageing network: every term by hand, gradients for all weights, and steps that help."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from tests.reaging.kit import TinyNet, tiny_networks
from work.models.reaging.reaging import Reaging
from work.training.reaging.faces import CROP, PHOTO, WHOLE
from work.training.reaging.passes import Faces, Lambdas, ReagingPasses, to_faces

SIDE = 64


@pytest.fixture
def net(monkeypatch):
    monkeypatch.setattr("work.models.reaging.reaging.ReagingNet", TinyNet)
    return Reaging(ndf=4, seed=0)


def batch(kinds, own, target, seed=0) -> Faces:
    rng = np.random.default_rng(seed)
    faces = [
        paddle.to_tensor(rng.uniform(-1, 1, (len(kinds), 3, SIDE, SIDE)).astype(np.float32))
        for _ in range(2)
    ]
    return Faces(*faces, *(paddle.to_tensor(x, dtype="float32") for x in (own, target)), kinds)


def run(net, faces, lambdas=None, backward=lambda loss: None, seed=0):
    passes = ReagingPasses(net, tiny_networks(), lambdas or Lambdas())
    return passes(faces, backward, np.random.default_rng(seed))


def test_without_a_change_the_terms_compare_input_and_wanted_face(net):
    faces = batch([CROP, WHOLE, PHOTO, PHOTO], [20, 30, 40, 50], [60, 70, 80, 50])
    terms = {name: float(value) for name, value in run(net, faces).terms.items()}
    x, y = faces.sources.numpy(), faces.companions.numpy()
    assert terms["l1"] == pytest.approx(np.abs(x[:2] - y[:2]).mean(), rel=1e-5)
    means = x.mean((2, 3)), y.mean((2, 3))
    assert terms["id"] == pytest.approx(((means[0][1] - means[1][1]) ** 2).sum(), rel=1e-4)
    assert [terms[name] for name in ("cycle", "stays", "id_photo")] == [0, 0, 0]
    assert 0 < terms["age"] < 1 and 0 < terms["age_photo"] < 1
    networks = tiny_networks()
    apart = networks.lpips.distance(*([z[:2]] for z in map(blocks, (x, y)))).mean()
    assert terms["lpips"] == pytest.approx(float(apart), rel=1e-4)
    assert terms["apart"] == pytest.approx(terms["l1"] + terms["lpips"], rel=1e-5)


def blocks(x: np.ndarray) -> paddle.Tensor:
    """The features of TinyLPIPS."""
    side = SIDE // 16
    return paddle.to_tensor(x.reshape(len(x), 3, 16, side, 16, side).mean((3, 5)))


def test_the_loss_is_the_weighted_sum_and_zero_switches_a_term_off(net):
    faces = batch([CROP, WHOLE, PHOTO], [20, 30, 40], [60, 70, 80])
    lambdas = Lambdas(l1=2.0, lpips=3.0, gan=0.5, id=0.7, age=0.4, cycle=1.5)
    terms = run(net, faces, lambdas).terms
    wanted = 2 * terms["l1"] + 3 * terms["lpips"] + 0.5 * terms["gan"]
    wanted += 0.7 * (terms["id"] + terms["id_photo"]) + 0.4 * (terms["age"] + terms["age_photo"])
    wanted += 1.5 * terms["cycle"]
    assert float(terms["loss"]) == pytest.approx(float(wanted), rel=1e-5)
    off = run(net, faces, Lambdas(gan=0, id=0, age=0)).terms
    assert set(off) == {"l1", "lpips", "cycle", "loss", "apart"}


def test_photos_are_never_compared_with_their_companions(net):
    faces = batch([PHOTO, PHOTO], [20, 30], [60, 30])
    assert not {"l1", "lpips", "apart", "id", "age"} & set(run(net, faces).terms)


def test_gradients_reach_all_weights_and_the_network_gives_the_judge_none(net):
    last = net.reager.last.weight
    last.set_value(0.1 * np.random.default_rng(0).standard_normal(last.shape).astype(np.float32))
    faces, after_first = batch([CROP, WHOLE, PHOTO], [20, 30, 40], [60, 70, 80]), []

    def backward(loss):
        loss.backward()
        after_first.append([p for p in net.judge.parameters() if p.grad is not None])

    run(net, faces, backward=backward)
    assert after_first[0] == [] and len(after_first) == 2
    for name, parameter in net.named_parameters():
        assert float(parameter.grad.abs().max()) > 0, name


def test_steps_bring_the_output_closer_to_the_wanted_face(net):
    faces = batch([CROP, WHOLE], [20, 30], [60, 70])
    faces.companions = faces.sources - 0.3  # older is darker
    optimizer = paddle.optimizer.Adam(1e-2, parameters=net.reager.parameters())
    apart = []
    for step in range(30):
        outcome = run(net, faces, Lambdas(gan=0, id=0, age=0), lambda loss: loss.backward(), step)
        optimizer.step()
        optimizer.clear_grad()
        apart.append(float(outcome.terms["apart"]))
    assert apart[-1] < 0.5 * apart[0]


def test_a_step_is_the_same_for_the_same_draws_only(net):
    faces = batch([WHOLE, PHOTO], [20, 30], [60, 70])
    losses = [float(run(net, faces, seed=seed).terms["loss"]) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]  # other looks, another window for the judge


class Noter:
    """A network that changes nothing and notes the ages that it is asked for; its judge sees brightness."""

    freeze_judge = staticmethod(lambda frozen: None)
    judge = staticmethod(lambda pictures, ages: pictures.mean([1, 2, 3]))

    def __init__(self):
        self.asked = []

    def __call__(self, pictures, own, target):
        self.asked.append((own.tolist(), target.tolist()))
        return pictures * 1


def test_the_network_is_asked_from_own_to_target_and_the_judge_knows_real_from_made():
    net = Noter()
    grey = [paddle.full([2, 3, SIDE, SIDE], value) for value in (-0.5, 0.5)]
    ages = (paddle.to_tensor(x) for x in ([20.0, 40.0], [60.0, 80.0]))
    terms = run(net, Faces(*grey, *ages, [WHOLE, PHOTO])).terms
    assert net.asked == [([20, 40], [60, 80]), ([80], [40])]  # the photo also comes back
    assert float(terms["gan"]) == pytest.approx(1.5**2)  # made faces (-0.5) should look real (1)
    assert float(terms["judge"]) == pytest.approx((0.5**2 + 0.5**2) / 2)


def test_sources_are_the_first_pictures_of_the_pairs():
    samples = [SimpleNamespace(own=20.0, target=60.0, kind=WHOLE)]
    pictures = np.stack([np.full((1, 3, 8, 8), v, np.float32) for v in (-0.5, 0.5)], axis=1)
    faces = to_faces(pictures, samples)
    assert float(faces.sources.mean()) == -0.5 and float(faces.companions.mean()) == 0.5
    assert faces.own.tolist() == [20] and faces.target.tolist() == [60]
