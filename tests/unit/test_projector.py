"""The projector on a toy generator whose pictures are linear in codes and noise."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from work.configs.project_options import ProjectOptions, ProjectorOptions
from work.errors import UserError
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.stylegan2.generator import Generator
from work.projector import spaces
from work.projector.projection import learning_rate
from work.projector.projector import Projector, noise_regulariser, run

LAYERS = 4


class ToySpace:
    """256 px pictures: a fixed basis mixed by the codes, and a little of two noise maps."""

    n_styles, encoder, model = LAYERS, None, None

    def __init__(self, rates=(0.0, 1.0)):
        rng = np.random.RandomState(0)
        self.rates = rates
        basis = rng.standard_normal((LAYERS * 512, 3 * 8 * 8)) / 40
        self.basis = paddle.to_tensor(basis.astype(np.float32))
        maps = [rng.standard_normal((1, 1, r, r)).astype(np.float32) for r in (8, 16)]
        self.noise = [paddle.to_tensor(x) for x in maps]

    def mean(self):
        return paddle.zeros([1, LAYERS, 512])

    def w_plus(self, codes):
        return codes

    def draw(self, w_plus, noise=(), full=False):
        image = (w_plus.flatten(1) @ self.basis).reshape([-1, 3, 8, 8])
        image = F.interpolate(image, size=[256, 256], mode="bilinear")
        for x in list(noise) or self.noise:
            image = image + 0.1 * F.interpolate(x, size=[256, 256], mode="nearest")
        return image

    def penalty(self, codes):
        return paddle.zeros([codes.shape[0]])


class ToyLPIPS:
    def features(self, x):
        return [F.avg_pool2d(x, 16)]

    def distance(self, x, y):
        return (x[0] - y[0]).square().mean(axis=[1, 2, 3])


@pytest.fixture(scope="module")
def faces():
    """Three pictures that the toy can nearly draw, so that there is something left to miss."""
    space, rng = ToySpace(), np.random.RandomState(1)
    codes = rng.standard_normal((3, LAYERS, 512)).astype(np.float32)
    with paddle.no_grad():
        images = space.draw(paddle.to_tensor(codes)).numpy()
    rough = rng.standard_normal((3, 3, 32, 32)).repeat(8, 2).repeat(8, 3)
    return paddle.to_tensor((images + 0.05 * rough).astype(np.float32))


def projected(faces, masks=None, rates=(0.0, 1.0), **options):
    chosen = ProjectorOptions(**{"step": 25, **options})
    projector = Projector(ToySpace(rates), ToyLPIPS(), chosen)
    return run(projector, projector.start(faces, masks))


@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, 0.15)])
def test_the_loss_falls_in_the_mean_and_the_best_code_is_kept(faces, rates):
    for found in projected(faces, rates=rates):
        totals = found.totals
        assert len(totals) == 26  # the start and every step
        fifths = [np.mean(part) for part in np.array_split(totals, 5)]
        assert all(later < earlier for earlier, later in zip(fifths, fifths[1:]))
        assert min(totals) < 0.5 * totals[0]
        space = ToySpace(rates)
        with paddle.no_grad():
            image = space.draw(paddle.to_tensor(found.best["w_plus"]))
        lpips = ToyLPIPS().distance(ToyLPIPS().features(image), found.features).item()
        mse = F.mse_loss(image, found.face).item()
        assert lpips + mse == pytest.approx(min(totals), rel=1e-4)


def test_faces_of_a_batch_do_not_touch_each_other(faces):
    together = projected(faces)
    for index, found in enumerate(together):
        (alone,) = projected(faces[index : index + 1])
        np.testing.assert_allclose(found.best["w_plus"], alone.best["w_plus"], atol=1e-4)


def interrupted(faces, path, first: int, then: int, **options):
    """Stop after some steps of a run, save, and go on in a new projection."""
    chosen = ProjectorOptions(**{"step": first, **options})
    projector = Projector(ToySpace(), ToyLPIPS(), chosen)
    (begun,) = projector.start(faces[:1])
    while begun.steps < then:
        projector.advance([begun])
    save_checkpoint(path, "projection_state", begun.state())
    chosen = ProjectorOptions(**{"step": 12, **options})
    projector = Projector(ToySpace(), ToyLPIPS(), chosen)
    (again,) = projector.start(faces[:1])
    again.resume(read_checkpoint(path).state_dict)
    return run(projector, [again])[0]


@pytest.mark.parametrize("noise", [False, True])
def test_going_on_is_as_if_nothing_had_happened(faces, tmp_path, noise):
    options = {"optimize_noise": noise, "noise_weight": 1.0}
    (whole,) = projected(faces[:1], step=12, **options)
    halves = interrupted(faces, tmp_path / "s.pd", first=12, then=5, **options)
    assert halves.losses == whole.losses
    for name, values in whole.best.items():
        assert (halves.best[name] == values).all(), name


def test_more_steps_can_be_added(faces, tmp_path):
    more = interrupted(faces, tmp_path / "s.pd", first=6, then=6, final_lr=0.1)
    (whole,) = projected(faces[:1], step=12, final_lr=0.1)  # a constant rate: the same course
    assert more.losses == whole.losses


def test_other_layers_stay(faces):
    (found,) = projected(faces[:1], latent_level="1,3")
    moved = np.abs(found.best["w_plus"]).max(axis=(0, 2))
    assert (moved[[0, 2]] == 0).all() and (moved[[1, 3]] > 0.1).all()
    assert min(found.totals) < found.totals[0]


def test_what_the_mask_hides_does_not_count(faces):
    mask = paddle.ones([1, 1, 256, 256])
    mask[:, :, :, 128:] = 0
    spoiled = faces[:1].clone()
    spoiled[:, :, :, 128:] = 1.0
    (plain,), (other,) = (projected(x, mask, step=8) for x in (faces[:1], spoiled))
    (unmasked,) = projected(spoiled, step=8)
    np.testing.assert_allclose(other.losses, plain.losses, rtol=1e-5)
    np.testing.assert_allclose(other.best["w_plus"], plain.best["w_plus"], atol=1e-5)
    assert np.abs(unmasked.best["w_plus"] - plain.best["w_plus"]).max() > 0.1


def test_noise_regulariser_is_the_papers_sum():
    x = np.random.RandomState(2).standard_normal((2, 1, 16, 16)).astype(np.float32)
    expected = np.zeros(2)
    coarse = x.reshape(2, 1, 8, 2, 8, 2).mean(axis=(3, 5)) * 2
    for level in (x, coarse):
        for axis in (2, 3):
            expected += (level * np.roll(level, 1, axis)).mean(axis=(1, 2, 3)) ** 2
    np.testing.assert_allclose(noise_regulariser(paddle.to_tensor(x)).numpy(), expected, rtol=1e-4)
    smooth = paddle.ones([1, 1, 16, 16])
    assert noise_regulariser(smooth).item() > 20 * expected.max()


def test_noise_is_found_and_stays_noise():
    rng, space = np.random.RandomState(3), ToySpace()
    code = paddle.to_tensor(rng.standard_normal((1, LAYERS, 512)).astype(np.float32))
    other = [paddle.to_tensor(rng.standard_normal(x.shape).astype(np.float32)) for x in space.noise]
    with paddle.no_grad():
        face = space.draw(code, other)
    (plain,), (free,) = (
        projected(face, step=40, optimize_noise=choice, noise_weight=1.0)
        for choice in (False, True)
    )
    maps = [free.best[name] for name in ("noise_0", "noise_1")]
    assert [x.shape for x in maps] == [(1, 1, 8, 8), (1, 1, 16, 16)]
    for x, stored in zip(maps, ToySpace().noise):
        assert abs(x.mean()) < 1e-4 and abs(x.std() - 1) < 0.02
        assert np.abs(x - stored.numpy()).max() > 0.05
    assert "noise_0" not in plain.best and min(free.totals) < 0.9 * min(plain.totals)


def test_a_face_that_gains_nothing_stops(faces):
    (stopped,) = projected(faces[:1], step=60, start_lr=1e-7, final_lr=1e-7, early_stop=True)
    (going,) = projected(faces[:1], step=30, early_stop=True)
    assert stopped.steps == 20 and going.steps == 30


def test_a_loss_that_is_no_number_is_said(faces):
    broken = faces[:1].clone()
    broken[:, :, 0, 0] = float("nan")
    with pytest.raises(UserError, match="step 0: the loss is nan"):
        projected(broken)


def test_learning_rate_is_exponential():
    options = ProjectorOptions(step=3, start_lr=0.4, final_lr=0.1)
    rates = [learning_rate(step, options) for step in range(4)]
    assert rates == pytest.approx([0.4, 0.2, 0.1, 0.1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step": 0}, "--step"),
        ({"final_lr": 0.2}, "--final_lr"),
        ({"latent_level": "3-1"}, "--latent_level 3-1"),
        ({"latent_level": "a"}, "--latent_level a"),
        ({"lpips_net": "resnet"}, "--lpips_net"),
        ({"target_age": "old"}, "--target_age old"),
        ({"batch_size": 0}, "--batch_size"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(UserError, match=said):
        ProjectOptions(**options)


def test_levels_are_lists_and_ranges():
    assert ProjectorOptions(latent_level="0-2, 5").levels == [0, 1, 2, 5]


def test_a_stylegan2_file_shows_its_shape(tmp_path):
    generator = Generator(64, style_dim=32, n_mlp=3, channel_multiplier=1)
    path = tmp_path / "small.pdparams"
    save_checkpoint(path, "stylegan2", generator.state_dict())
    space = spaces.load_space(ProjectorOptions(ckpt=str(path)))
    w_plus = paddle.randn([2, 10, 32])
    with paddle.no_grad():
        expected, _ = generator([w_plus], input_is_latent=True, randomize_noise=False)
        np.testing.assert_allclose(space.draw(w_plus).numpy(), expected.numpy(), atol=1e-5)
    assert space.mean().shape == [1, 10, 32] and space.encoder is None
    for wrong, said in (
        ({"size": 128}, "--size 128: the weights are made for 64"),
        ({"n_mlp": 8}, "--n_mlp 8"),
        ({"channel_multiplier": 2}, "--channel_multiplier 2"),
        ({"latent_level": "9-10"}, "layers 0 to 9"),
    ):
        with pytest.raises(UserError, match=said):
            spaces.load_space(ProjectorOptions(ckpt=str(path), **wrong))
