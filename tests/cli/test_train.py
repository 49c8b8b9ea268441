"""train.py with the real networks, as small as they get: one step of SAM, then inference and export."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from convert_weights import export_torch
from tests.unit.training_kit import SAM, faces
from work.criteria.lpips import LPIPS
from work.errors import run
from work.models.age_v1 import AgeV1
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.scripts import inference_side_by_side, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A cache of weights that holds LPIPS and the small age network, drawn at random."""
    home = tmp_path_factory.mktemp("weights")
    paddle.seed(0)
    lpips = LPIPS("alex")
    save_checkpoint(home / "alexnet.pdparams", "alexnet", lpips.net.state_dict())
    heads = {f"lin.{name}": value.abs() for name, value in lpips.lin.state_dict().items()}
    save_checkpoint(home / "lpips_alex.pdparams", "lpips_alex", heads)
    save_checkpoint(home / "age_v1.pdparams", "age_v1", AgeV1().state_dict())
    return home


@pytest.fixture
def home(weights, monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(weights))
    monkeypatch.setattr("work.models.pretrained.PACKAGE_FOLDER", tmp_path / "none")
    monkeypatch.setattr("work.loading.MEAN_SAMPLES", 256)


def test_sam_trains_and_its_checkpoint_ages_and_exports(home, tmp_path, capfd):
    data = faces(tmp_path / "data", train=2, test=1)
    flags = "--output_size=8 --batch_size=1 --test_batch_size=1 --max_steps=1 --device=cpu".split()
    flags += ["--allow_missing", "--age_net=age_v1", "--lpips_lambda_crop=0.6", *SAM]
    flags.append("--cycle_lambda=0")  # half of the time; the cycle is in the tests of the loop
    assert run(lambda: train.main([*flags, *data, f"--exp_dir={tmp_path / 'run'}"])) == 0
    said = capfd.readouterr().out
    for term in ("aging_real", "l2_crop_real", "lpips_real", "lpips_crop_real", "w_norm_real"):
        assert f" {term} " in said
    assert " id_real " not in said and "continues without ir_se50" in said
    saved = tmp_path / "run" / "checkpoints" / "best_model.pdparams"
    argv = [f"--checkpoint_path={saved}", f"--data_path={tmp_path / 'data' / 'test'}"]
    argv += [
        f"--exp_dir={tmp_path / 'grids'}",
        "--target_age=70",
        "--resize_outputs",
        "--engine=paddle",
    ]
    assert run(lambda: inference_side_by_side.main(argv)) == 0
    grid = Image.open(tmp_path / "grids" / "inference_side_by_side" / "0.png")
    assert grid.size == (2 * 256, 256)
    assert run(lambda: export_torch.main([str(saved), str(tmp_path / "sam.pt")])) == 0
    ours, theirs = read_checkpoint(saved), read_checkpoint(tmp_path / "sam.pt")
    assert ours.state_dict.keys() == theirs.state_dict.keys()
    for name in ("encoder.input_layer.0.weight", "encoder.styles.3.linear.weight"):
        np.testing.assert_array_equal(ours.state_dict[name], theirs.state_dict[name])
    assert theirs.opts["aging_lambda"] == 5


def test_missing_weights_stop_the_run_before_it_starts(home, tmp_path, capfd):
    data = faces(tmp_path / "data", train=1, test=1)
    flags = [*SAM, *data, "--output_size=8", "--device=cpu", f"--exp_dir={tmp_path / 'run'}"]
    assert run(lambda: train.main(flags)) == 2
    assert "model_ir_se50.pth" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_missing_data_names_the_flag_and_the_variable(home, tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(train.TrainOptions.root.__globals__["dataset_paths"], "ffhq", "")
    assert run(lambda: train.main([*SAM, "--device=cpu", f"--exp_dir={tmp_path / 'run'}"])) == 2
    error = capfd.readouterr().err
    assert "--train_root" in error and "SAM_TRAIN_ROOT" in error


def test_dry_run_prints_the_resolved_options_and_stops(tmp_path):
    command = [sys.executable, "-X", "importtime", str(ROOT / "work/scripts/train.py")]
    command += ["--dry_run", "--dataset_type=ffhq_encode", f"--exp_dir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "lpips_lambda: 0.8" in done.stdout and "input_nc: 3" in done.stdout
    assert "paddle" not in {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not (tmp_path / "run").exists()
