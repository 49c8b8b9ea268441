"""The flags of train.py: official commands, defaults, and what is refused."""

from __future__ import annotations

import pytest

from tests.unit.training_kit import options
from work.configs.loop_options import resolve
from work.configs.train_options import TrainOptions
from work.errors import UserError
from work.models.ops import convolution
from work.training import networks
from work.training.precision import Precision

OFFICIAL_SAM = """--dataset_type=ffhq_aging --exp_dir=/path/to/experiment --workers=6 --batch_size=6
--test_batch_size=6 --test_workers=6 --val_interval=2500 --save_interval=10000
--start_from_encoded_w_plus --id_lambda=0.1 --lpips_lambda=0.1 --lpips_lambda_aging=0.1
--lpips_lambda_crop=0.6 --l2_lambda=0.25 --l2_lambda_aging=0.25 --l2_lambda_crop=1
--w_norm_lambda=0.005 --aging_lambda=5 --cycle_lambda=1 --input_nc=4 --target_age=uniform_random
--use_weighted_id_loss"""
OFFICIAL_PSP = """--dataset_type=ffhq_encode --exp_dir=/path/to/experiment --workers=8 --batch_size=8
--test_batch_size=8 --test_workers=8 --val_interval=2500 --save_interval=5000
--encoder_type=GradualStyleEncoder --start_from_latent_avg --lpips_lambda=0.8 --l2_lambda=1
--id_lambda=0.1 --optim_name=adam --train_decoder=False --learn_in_w"""


def test_official_commands_are_understood():
    sam = resolve(options(OFFICIAL_SAM))
    assert (sam.input_nc, sam.aging_lambda, sam.max_steps, sam.optim_name) == (
        4,
        5,
        500000,
        "ranger",
    )
    psp = options(OFFICIAL_PSP)
    assert (psp.input_nc, psp.learn_in_w, psp.train_decoder, psp.label_nc) == (3, True, False, 0)
    assert options("--encoder_type=BackboneEncoderUsingLastLayerIntoW").learn_in_w


def test_each_recipe_has_its_own_defaults():
    sam, psp = options(""), options("--dataset_type=ffhq_encode --l2_lambda=0")
    assert (sam.lpips_lambda, sam.id_lambda, sam.l2_lambda) == (0, 0, 0)
    assert (psp.lpips_lambda, psp.id_lambda, psp.l2_lambda) == (0.8, 0, 0)


def test_flags_that_are_not_typed_have_the_official_defaults():
    psp = TrainOptions(dataset_type="ffhq_encode")
    terms = (psp.lpips_lambda, psp.id_lambda, psp.l2_lambda, psp.w_norm_lambda)
    assert terms == (0.8, 0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "text, named",
    [
        ("--output_size=100", "--output_size"),
        ("--start_from_latent_avg --start_from_encoded_w_plus", "--start_from_latent_avg"),
        ("--dataset_type=ffhq_encode --aging_lambda=1", "--aging_lambda"),
        ("--input_nc=3", "--input_nc"),
        ("--id_lambda=-1", "--id_lambda"),
        ("--target_age=old", "--target_age"),
        ("--ema=1", "--ema"),
        ("--max_steps=0", "--max_steps"),
        ("--label_nc=19", "--label_nc"),
        ("--moco_lambda=0.5", "--moco_lambda.*--id_lambda"),
        ("--use_wandb", "--use_wandb.*scalars.jsonl"),
        ("--dataset_type=ffhq_encode --resize_factors=4", "celebs_super_resolution"),
        ("--dataset_type=celebs_super_resolution --resize_factors=3", "--resize_factors 3"),
        ("--learn_in_w --encoder_type=BackboneEncoderUsingLastLayerIntoWPlus", "--learn_in_w"),
        ("--learn_in_w --encoder_type=LightStyleEncoder", "--learn_in_w"),
        ("--stylegan_weights=mobile_stylegan --checkpoint_decoder", "--checkpoint_decoder"),
        ("--optim_name=adam --amp=O2", "--amp O2 needs --optim_name=ranger"),
    ],
)
def test_impossible_options_are_named(text, named):
    with pytest.raises(UserError, match=named):
        options(text)


@pytest.mark.parametrize("level, dtype", [("O1", "float16"), ("O2", "bfloat16")])
def test_amp_needs_a_gpu(level, dtype):
    with pytest.raises(UserError, match=f"--amp {level}"):
        Precision(level, dtype, gpu=False)


def test_bfloat16_on_a_cpu_that_cannot(monkeypatch):
    monkeypatch.setattr(convolution, "half_problem", lambda: "this CPU has none")
    with pytest.raises(UserError, match="this CPU has none"):
        Precision("O1", "bfloat16", gpu=False)


@pytest.mark.parametrize(
    "text", ["", "--cycle_lambda=1 --l2_lambda_aging=1 --lpips_lambda_aging=1"]
)
def test_a_run_that_would_learn_nothing_is_refused(text):
    with pytest.raises(UserError, match="no loss is switched on"):
        networks.build_objective(options(text))


def test_missing_weights_name_the_file_and_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("work.models.pretrained.PACKAGE_FOLDER", tmp_path)
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"(?s)model_ir_se50\.pth.*convert\.py"):
        networks.find("ir_se50", allow_missing=False)
    assert networks.find("ir_se50", allow_missing=True) is None
