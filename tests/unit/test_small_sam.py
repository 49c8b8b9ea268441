"""SAM and pSp with the light encoder and the embedded model's generator; faces that the generator draws."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from tests.unit import training_kit
from tests.unit.test_training_parts import options
from work.configs.options import ModelOptions
from work.criteria.identity import DlibIdentity
from work.criteria.w_norm import w_norm_loss
from work.errors import UserError
from work.inference.engines.cache import relative_rms
from work.loading import load_psp
from work.models.checkpoint import read_checkpoint
from work.models.encoders.light import AXES, FARTHEST, LightStyleEncoder
from work.models.ops.batch_norm import BatchNorm2D
from work.models.psp import PSP
from work.scripts.train import main as train_main
from work.training import networks
from work.training.networks import start_encoder
from work.training.renders import draw_codes
from work.training.sam_passes import Passes

LIGHT = "--encoder_type=LightStyleEncoder --stylegan_weights=mobile_stylegan --renders_share=0.5"
PSP_FLAGS = f"--dataset_type=ffhq_encode --start_from_latent_avg {LIGHT} --code_lambda=0.1"
SAM_FLAGS = (
    f"--dataset_type=ffhq_aging --start_from_encoded_w_plus {LIGHT} --cycle_lambda=1 --l2_lambda=1"
)


class TinyGenerator(paddle.nn.Layer):
    """As MobileStyleGAN: 1024 px, but flat pictures, whose colours are the first three numbers of the last code."""

    size, n_styles = 1024, 23

    def __init__(self):
        super().__init__()
        self.const = self.create_parameter([1])
        self.linear = paddle.nn.Linear(512, 512)

    def map(self, z):
        return self.linear(z)

    def mean_latent(self, count):
        return self.map(paddle.randn([8, 512])).mean(axis=0, keepdim=True)

    def freeze(self):
        for parameter in self.parameters():
            parameter.stop_gradient = True
        return self

    def forward(self, w, half=False):
        return w[:, -1, :3].reshape([-1, 3, 1, 1]).expand([-1, 3, *([512 if half else 1024] * 2)])


@pytest.fixture
def tiny(monkeypatch):
    """Runs with a narrow encoder, a tiny generator, tiny losses, and no known weights."""
    for name, value in (("STEM", 8), ("HEAD", 8), ("STAGES", ((8, 1),) * 4)):
        monkeypatch.setattr(f"work.models.encoders.light.{name}", value)
    monkeypatch.setattr("work.models.psp.MobileStyleGAN", TinyGenerator)
    monkeypatch.setattr(networks, "fast_generator", lambda net, *how: net)
    monkeypatch.setattr(networks, "find", lambda *args: None)
    monkeypatch.setattr(networks, "build_objective", training_kit.tiny_objective)


def test_the_light_encoder_is_light_and_has_a_code_per_style():
    encoder = LightStyleEncoder(4, 23)
    count = sum(math.prod(p.shape) for p in encoder.parameters())
    assert 3e6 < count < 5e6
    assert encoder(paddle.zeros([2, 4, 256, 256])).shape == [2, 23, 512]


def test_an_age_encoder_starts_from_the_body_of_a_light_psp():
    source = LightStyleEncoder(3, 4)
    for layer in source.sublayers():
        if isinstance(layer, BatchNorm2D):
            layer._mean.set_value(paddle.randn(layer._mean.shape))
    arrays = {name: value.numpy() for name, value in source.state_dict().items()}
    encoder = LightStyleEncoder(4, 4)
    start_encoder(encoder, arrays, seed=0)
    found = {name: value.numpy() for name, value in encoder.state_dict().items()}
    kernel = found.pop("input_layer.0.weight")
    assert np.array_equal(kernel[:, :3], arrays.pop("input_layer.0.weight"))
    assert 0.7 < kernel[:, 3].std() / kernel[:, :3].std() < 1.4
    same = {name for name in arrays if np.array_equal(found[name], arrays[name])}
    assert {n for n in arrays if n.startswith(("body.", "input_layer."))} <= same
    assert "styles.0.mix.0.weight" not in same
    assert not encoder(paddle.rand([1, 4, 256, 256])).any()  # the first change is none


def test_an_age_encoder_moves_codes_as_people_differ(tiny):
    net = networks.build_network(options(SAM_FLAGS))
    assert not net.pretrained_encoder.white
    weight, axes = net.decoder.linear.weight.numpy(), net.encoder.scatter.numpy()
    assert axes.shape == (AXES, 512)
    variances = (axes**2).sum(axis=1)
    assert relative_rms(axes @ axes.T, np.diag(variances)) < 1e-4
    spread = np.linalg.eigvalsh(weight.T @ weight)  # of the codes' covariance
    assert relative_rms(variances, spread[-len(axes) :]) < 0.1  # it is that of 10,000 samples
    assert (axes.max(axis=1) > -axes.min(axis=1)).all()  # the signs are the same on all machines
    noise = paddle.randn([23, 512])
    for head, code in zip(net.encoder.styles, noise):
        head.linear.bias.set_value(code)
    faces = paddle.rand([1, 4, 256, 256])
    mean = noise.mean(axis=0)
    length = float(mean.norm())
    # It becomes 5 sin(arctan(length / 5)): the same if short, below 5 if long.
    assert 4 < length < 5.5
    mean *= FARTHEST / length * math.sin(math.atan(length / FARTHEST))
    expected = net.start_codes(faces[:, :3]) + mean[-AXES:] @ net.encoder.scatter
    np.testing.assert_allclose(net.encode(faces).numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_codes_of_renders_are_functions_of_their_place(tiny):
    net = PSP(1024, 3, True, False, light=True, mobile=True)
    net.latent_avg.set_value(paddle.full([23, 512], 3.0))
    chosen = options(PSP_FLAGS + " --batch_size=6")
    first, again, other, rank = (
        draw_codes(net, chosen, key, r).numpy()
        for key, r in (((0, 1, 0), 0), ((0, 1, 0), 0), ((0, 2, 0), 0), ((0, 1, 0), 1))
    )
    assert first.shape == (3, 23, 512) and np.array_equal(first, again)
    assert not np.allclose(first, other) and not np.allclose(first, rank)
    assert (first == first[:, :1]).all()  # one style for all layers
    assert 0 < first.mean() < 1.6  # drawn towards the mean, by a half at most


@pytest.mark.parametrize("code_lambda, drawn", [(0.1, 1), (0.0, 3)])
def test_faces_whose_codes_are_compared_are_not_drawn_again(code_lambda, drawn, tiny):
    lambdas = f"--code_lambda={code_lambda} --l2_lambda=1 --w_norm_lambda=1"
    chosen = options(f"{PSP_FLAGS} --batch_size=3 {lambdas}")
    net = networks.build_network(chosen)
    net.eval()
    passes = Passes(net, training_kit.tiny_objective(chosen), chosen)
    faces, losses = paddle.rand([3, 3, 256, 256]), []
    codes = paddle.zeros([2, 23, 512]) if code_lambda else None
    outcome = passes.draw_targets(faces, None, losses.append, codes)
    w_plus = net.encode(faces)
    output = net.decode(w_plus[:drawn], resize=True)
    assert outcome.output.shape[0] == outcome.faces.shape[0] == drawn
    l2 = (output - faces[:drawn]).square().mean()
    assert outcome.terms["loss_l2"].item() == pytest.approx(l2.item(), rel=1e-4)
    length = w_norm_loss(w_plus[:drawn], net.latent_avg).item()
    assert outcome.terms["loss_w_norm"].item() == pytest.approx(length, rel=1e-4)
    if code_lambda:
        code = w_plus[1:].square().mean()
        assert outcome.terms["loss_code"].item() == pytest.approx(code.item(), rel=1e-4)


def test_dlib_similarity_falls_with_the_distance():
    a = paddle.zeros([2, 128])
    b = paddle.zeros([2, 128])
    b[1, 0] = 0.6
    assert DlibIdentity.similarity(a, b).numpy() == pytest.approx([1.0, 0.64])


@pytest.mark.parametrize("flags, term", [(PSP_FLAGS, "loss_code"), (SAM_FLAGS, "loss_real")])
def test_a_run_resumes_bit_for_bit(flags, term, tiny, tmp_path):
    data = training_kit.faces(tmp_path / "faces")
    common = f"{flags} --device=cpu --batch_size=2 --workers=1 --test_workers=0".split()
    common += [*data, "--val_interval=1", "--max_test_batches=1", "--board_interval=1"]

    def train(folder, *more):
        assert train_main([*common, f"--exp_dir={tmp_path / folder}", *more]) == 0
        return tmp_path / folder

    whole = train("whole", "--max_steps=2")
    train("half", "--max_steps=1")
    parts = tmp_path / "half"
    assert train_main([f"--resume={parts}", "--max_steps=2", "--renders_share=0.5"]) == 0
    checkpoints = [read_checkpoint(run / "checkpoints/last.pdparams") for run in (whole, parts)]
    for name, value in checkpoints[0].state_dict.items():
        assert np.array_equal(np.asarray(value), np.asarray(checkpoints[1].state_dict[name])), name
    assert term in (whole / "logs/scalars.jsonl").read_text()
    path = whole / "checkpoints/last.pdparams"
    net = load_psp(checkpoints[0], ModelOptions(), path)
    assert net.light and net.mobile and net.n_styles == 23 and net.output_size == 1024
    assert net(paddle.zeros([1, net.input_nc, 256, 256])).shape == [1, 3, 256, 256]


@pytest.mark.parametrize(
    "text, named",
    [
        (PSP_FLAGS + " --renders_share=1", "--renders_share lies"),
        (PSP_FLAGS + " --renders_share=0.25 --batch_size=2", "of a batch of 2 that is no face"),
        (PSP_FLAGS + " --renders_share=0.9 --batch_size=2", "needs a face of the folder"),
        ("--dataset_type=ffhq_encode --renders_share=0.5", "--start_from_latent_avg"),
        (SAM_FLAGS + " --code_lambda=1", "--code_lambda"),
        (SAM_FLAGS + " --output_size=512", "1024 px"),
        (SAM_FLAGS + " --train_decoder", "--train_decoder"),
    ],
)
def test_flags_that_do_not_go_together(text, named):
    with pytest.raises(UserError, match=named):
        options(text)
