"""Options, the start of an encoder, draws, optimizer state, recomputation, the average."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.unit.training_kit import TinyEncoder, options, patched
from work.criteria.w_norm import w_norm_loss
from work.datasets.training import Batch
from work.errors import UserError
from work.models.checkpoint import load_state
from work.models.encoders.psp_encoders import BackboneEncoderUsingLastLayerIntoW
from work.models.psp import PSP
from work.models.stylegan2.generator import Generator
from work.training import networks, optimizers
from work.training.ema import Average
from work.training.logs import duration
from work.training.objective import Lambdas, Objective
from work.training.sam_passes import draw
from work.training.start_codes import StartCodes


def test_a_new_encoder_starts_from_ir_se50_and_draws_the_age_kernel():
    backbone = BackboneEncoderUsingLastLayerIntoW(50, "ir_se", 3)
    source = {f"{k}": v.numpy() for k, v in backbone.state_dict().items()}
    started = []
    for seed in (1, 1, 2):
        encoder = BackboneEncoderUsingLastLayerIntoW(50, "ir_se", 4)
        networks.start_encoder(encoder, source, seed)
        started.append(encoder)
    kernels = [e.input_layer[0].weight.numpy() for e in started]
    np.testing.assert_array_equal(kernels[0][:, :3], source["input_layer.0.weight"])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0][:, 3] - kernels[2][:, 3]).max() > 0.01
    assert 0.9 < kernels[0][:, 3].std() < 1.1  # a unit normal, as in the reference
    name = "body.3.res_layer.1.weight"
    np.testing.assert_array_equal(started[0].state_dict()[name].numpy(), source[name])
    del source[name]
    with pytest.raises(UserError, match="body.3.res_layer.1"):
        networks.start_encoder(started[0], source, 1)


def test_draws_are_shared_out_over_ranks_and_keep_a_third():
    chosen = options("--seed=5")
    whole = draw(chosen, (0, 7, 0), 4)
    parts = [draw(chosen, (0, 7, 0), 2, rank, 2) for rank in range(2)]
    np.testing.assert_array_equal(np.concatenate([part.ages for part in parts]), whole.ages)
    assert {part.no_aging for part in parts} == {whole.no_aging}
    many = [draw(chosen, (0, step, 0), 3) for step in range(600)]
    assert 0.27 < np.mean([d.no_aging for d in many]) < 0.4
    ages = np.concatenate([d.ages for d in many]) * 100
    assert ages.min() == 0 and ages.max() == 100 and 45 < ages.mean() < 55
    assert (draw(options("--target_age=60"), (0, 0, 0), 3).ages == np.float32(0.6)).all()


def test_objective_says_which_network_is_missing():
    with pytest.raises(ValueError, match="lpips"):
        Objective(Lambdas(lpips_lambda_crop=1))


def test_w_norm():
    latent = paddle.ones([2, 3, 512])
    assert float(w_norm_loss(latent)) == pytest.approx((3 * 512) ** 0.5)
    latent.stop_gradient = False
    at_the_mean = w_norm_loss(latent, paddle.ones([3, 512]))
    assert float(at_the_mean) == pytest.approx(0, abs=1e-5)
    (gradient,) = paddle.grad([at_the_mean], [latent])
    assert not gradient.numpy().any()  # and not NaN


def steps(optimizer, encoder, count):
    for i in range(count):
        paddle.seed(i)
        encoder(paddle.randn([2, 3, 16, 16])).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()


@pytest.mark.parametrize("name", ["ranger", "adam"])
def test_optimizer_state_moves_to_another_model(name):
    """In one process the second model's Paddle names differ, as they may in a new process."""
    paddle.seed(0)
    pair = [TinyEncoder(3, 2) for _ in range(2)]
    named = [{n: p for n, p in e.named_parameters() if not p.stop_gradient} for e in pair]
    made = [optimizers.make_optimizer(name, 0.01, n) for n in named]
    steps(made[0], pair[0], 3)
    state = optimizers.state_of(made[0], named[0])
    assert any(key.startswith("head.weight") for key in state)
    pair[1].set_state_dict(pair[0].state_dict())
    optimizers.set_state(made[1], named[1], state)
    for encoder, optimizer in zip(pair, made):
        steps(optimizer, encoder, 2)
    np.testing.assert_array_equal(pair[0].head.weight.numpy(), pair[1].head.weight.numpy())
    with pytest.raises(UserError):
        optimizers.set_state(made[1], named[1], {"other.weight_moment1_0": np.zeros(3)})


def test_checkpoints_hold_the_float32_weights_of_half_precision_training():
    """What --amp O2 does to the trained weights; the rest of mixed precision needs a GPU."""
    pair = [paddle.nn.Linear(4, 4).to(dtype="bfloat16") for _ in range(2)]
    named = [dict(layer.named_parameters()) for layer in pair]
    made = [optimizers.make_optimizer("ranger", 1e-3, n, half=True) for n in named]

    def step(index):
        for parameter in named[index].values():
            slope = np.random.default_rng(0).normal(size=parameter.shape)
            parameter.grad = paddle.to_tensor(slope, dtype="bfloat16")
        made[index].step()

    average = Average(named[0], 0.5)
    for _ in range(3):
        step(0)
    for _ in range(40):
        average.update(optimizers.exact_weights(made[0], named[0]))
    full = optimizers.exact_weights(made[0], named[0])["weight"].numpy()
    rounded = paddle.to_tensor(full).astype("bfloat16").astype("float32").numpy()
    assert full.dtype == np.float32 and not np.array_equal(full, rounded)
    np.testing.assert_allclose(average.state_dict()["weight"], full, rtol=1e-6)
    np.testing.assert_array_equal(rounded, pair[0].weight.astype("float32").numpy())
    load_state(pair[1], {name: p.astype("float32") for name, p in named[0].items()}, "a run")
    assert pair[1].weight.dtype == paddle.bfloat16
    optimizers.set_state(made[1], named[1], optimizers.state_of(made[0], named[0]))
    step(0), step(1)
    both = [optimizers.exact_weights(o, n)["weight"].numpy() for o, n in zip(made, named)]
    np.testing.assert_array_equal(*both)


def test_each_face_is_encoded_once_and_to_the_bit():
    """The real encoder: in another batch, from an earlier one, or without a memory a face has the same codes."""
    with paddle.LazyGuard():
        net = PSP(8, 4)
    net.pretrained_encoder = type(net.pretrained_encoder)(50, "ir_se", 3, 4)
    net.eval()
    faces = paddle.rand([3, 3, 256, 256])
    kept, none, seen = StartCodes(net, 2), StartCodes(net, 0), []
    net.pretrained_encoder.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))

    def codes(start_codes, order):
        batch = Batch(None, [f"{i // 2}.png" for i in order], [bool(i % 2) for i in order])
        return start_codes(paddle.stack([faces[i] for i in order]), batch).numpy()

    found = [codes(kept, order) for order in ([0], [0, 1, 2], [2, 1, 0])]
    assert seen == [1] * 4  # two of the three are kept
    assert np.array_equal(found[1], codes(none, [0, 1, 2]))
    assert np.array_equal(found[1][::-1], found[2]) and np.array_equal(found[1][:1], found[0])
    assert len(np.unique(found[1][:, 0, 0])) == 3


def test_recomputing_the_generator_changes_nothing():
    paddle.seed(0)
    generator = Generator(16)
    for parameter in generator.parameters():
        parameter.stop_gradient = True
    codes = paddle.randn([1, generator.n_latent, 512])
    results = []
    for generator.recompute in (False, True):
        w_plus = codes.clone()
        w_plus.stop_gradient = False
        image, _ = generator([w_plus], input_is_latent=True, randomize_noise=False)
        image.square().mean().backward()
        results.append((image.numpy(), w_plus.grad.numpy()))
    for plain, again in zip(*results):
        np.testing.assert_allclose(again, plain, rtol=1e-5, atol=1e-7)


def test_average():
    layer = paddle.nn.Linear(1, 1)
    layer.weight.set_value(paddle.zeros([1, 1]))
    average = Average({"weight": layer.weight}, 0.75)
    layer.weight.set_value(paddle.ones([1, 1]))
    for _ in range(2):
        average.update({"weight": layer.weight})
    with average.in_place():
        assert float(layer.weight) == pytest.approx(1 - 0.75**2)
    assert float(layer.weight) == 1
    assert not Average({"weight": layer.weight}, 0).state_dict()


def test_duration():
    assert [duration(s) for s in (59, 3723, 90061)] == ["0:00:59", "1:02:03", "1 d 1:01:01"]


def test_patches_reach_the_networks():
    real = networks.PSP
    with patched():
        assert networks.PSP is not real
