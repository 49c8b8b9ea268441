"""pSp's other tasks in training: frontalisation and super-resolution, and its encoder without a pyramid."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from tests.unit.training_kit import PSP_FLAGS, SMALL, TinyLPIPS, faces, tiny_objective, train
from work.configs.command_line import parse
from work.configs.train_options import TrainOptions
from work.models.checkpoint import read_checkpoint
from work.models.encoders.psp_encoders import BackboneEncoderUsingLastLayerIntoWPlus
from work.training import networks, psp_tasks
from work.training.psp_tasks import make_inputs

TASKS = {
    "front": ["--dataset_type=ffhq_frontalize"],
    "super": ["--dataset_type=celebs_super_resolution", "--resize_factors=4,16"],
}


def options(*flags):
    return parse(TrainOptions, flags, "", "")


@pytest.fixture
def batch():
    return np.random.default_rng(0).uniform(-1, 1, (8, 3, 64, 64)).astype(np.float32)


def test_frontalisation_mirrors_half_of_the_inputs(batch):
    made = make_inputs(options(*TASKS["front"]), batch, (0, 5, 0))
    same = [np.array_equal(a, b) for a, b in zip(made, batch)]
    turned = [np.array_equal(a, b[:, :, ::-1]) for a, b in zip(made, batch)]
    assert all(a != b for a, b in zip(same, turned)) and 0 < sum(turned) < 8


def test_super_resolution_takes_the_factors_that_were_typed(batch, monkeypatch):
    seen = []
    monkeypatch.setattr(psp_tasks, "blurred", lambda faces, factors: seen.extend(factors))
    for step in range(8):
        make_inputs(options(*TASKS["super"]), batch, (0, step, 0))
    assert set(seen) == {4, 16} and 16 < seen.count(4) < 48
    seen.clear()
    for step in range(8):
        make_inputs(options(TASKS["super"][0]), batch, (0, step, 0))
    assert set(seen) == {1, 2, 4, 8, 16, 32}


@pytest.mark.parametrize("task", TASKS)
def test_the_draw_is_the_same_for_any_number_of_ranks(task, batch):
    whole = make_inputs(options(*TASKS[task]), batch, (0, 3, 0))
    for rank in range(2):
        half = slice(4 * rank, 4 * rank + 4)
        part = make_inputs(options(*TASKS[task]), batch[half], (0, 3, 0), rank, 2)
        assert np.array_equal(part, whole[half])


def test_other_recipes_draw_what_they_see(batch):
    for dataset in ("ffhq_aging", "ffhq_encode"):
        assert make_inputs(options(f"--dataset_type={dataset}"), batch, (0, 0, 0)) is None


@pytest.mark.parametrize("task", TASKS)
def test_losses_compare_with_the_target(task, batch, monkeypatch):
    """The network sees the input; squared error, LPIPS and identity are those of output and target."""
    from work.training.sam_passes import Passes

    chosen = options(*TASKS[task], "--start_from_latent_avg", "--id_lambda=0.1")
    objective = tiny_objective(chosen)
    output = paddle.to_tensor(batch[::-1].copy())

    class Net:
        latent_avg = paddle.zeros([4, 512])

        def encode(self, x, start=None):
            self.seen = x
            return paddle.zeros([8, 4, 512])

        def decode(self, w_plus, resize, randomize_noise):
            return output

    net, targets = Net(), paddle.to_tensor(batch)
    inputs = paddle.to_tensor(make_inputs(chosen, batch, (0, 1, 0)))
    outcome = Passes(net, objective, chosen).draw_targets(inputs, targets, lambda loss: None)
    assert np.array_equal(net.seen.numpy(), inputs.numpy())
    assert float(outcome.terms["loss_l2"]) == pytest.approx(
        float(((output - targets) ** 2).mean()), rel=1e-5
    )
    lpips = TinyLPIPS()
    wanted = lpips.distance(lpips.features(output), lpips.features(targets)).mean()
    assert float(outcome.terms["loss_lpips"]) == pytest.approx(float(wanted), rel=1e-5)
    features = [objective.identity.features(x) for x in (output, targets, inputs)]
    gain = (features[0] * features[1]).sum(1).mean() - (features[1] * features[2]).sum(1).mean()
    assert float(outcome.terms["id_improve"]) == pytest.approx(float(gain), abs=1e-5)
    assert outcome.target is targets


@pytest.mark.parametrize("task", TASKS)
def test_a_run_resumes_bit_for_bit(task, tmp_path):
    data = faces(tmp_path / "faces")
    flags = [*SMALL, *PSP_FLAGS[1:], *TASKS[task], *data, "--board_interval=1", "--val_interval=2"]
    flags += ["--image_interval=2"]
    assert train(*flags, "--max_steps=4", f"--exp_dir={tmp_path / 'one'}") == 0
    assert train(*flags, "--max_steps=2", f"--exp_dir={tmp_path / 'two'}") == 0
    assert train("--resume", str(tmp_path / "two"), "--max_steps=4") == 0
    ends = [
        read_checkpoint(tmp_path / run / "checkpoints/last.pdparams").state_dict
        for run in ("one", "two")
    ]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
    opts = json.loads((tmp_path / "one/opt.json").read_text())
    assert opts["dataset_type"] == TASKS[task][0].split("=")[1]
    from PIL import Image

    panel = Image.open(tmp_path / "one/logs/images/train/000004.jpg")
    assert panel.width == 3 * 256  # input, target, output


def test_an_encoder_without_a_pyramid_starts_like_pytorchs_layers():
    encoder = BackboneEncoderUsingLastLayerIntoWPlus(n_styles=4)
    networks.start_encoder(encoder, None, seed=3)
    weight = encoder.output_layer_2[3].weight.numpy()
    bound = 1 / np.sqrt(512 * 49)
    assert np.abs(weight).max() <= bound and weight.std() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert encoder.linear.weight.numpy().std() == pytest.approx(1, rel=0.02)


def test_the_flag_chooses_that_encoder(monkeypatch, tmp_path):
    monkeypatch.setattr("work.models.pretrained.PACKAGE_FOLDER", tmp_path)
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    flags = ("--dataset_type=ffhq_encode", "--output_size=8", "--allow_missing")
    chosen = options(*flags, "--encoder_type=BackboneEncoderUsingLastLayerIntoWPlus")
    net = networks.build_network(chosen)
    assert isinstance(net.encoder, BackboneEncoderUsingLastLayerIntoWPlus) and not net.has_graphs
