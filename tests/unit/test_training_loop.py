"""The loop: resumes bit for bit, survives kills, stops on NaN, writes what it promises."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from tests.unit.training_kit import (
    PSP_FLAGS,
    SAM,
    SMALL,
    TinyLPIPS,
    faces,
    start,
    train,
    wait_for,
)
from work.models.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[2]
STEPS = ["--board_interval=1", "--val_interval=3", "--image_interval=3", "--save_interval=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def six(data, tmp_path_factory):
    """A run of six steps without a break, by recipe and optimizer; made once each."""
    made = {}

    def run(name, *flags):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("runs") / name
            assert (
                train(*SMALL, *data, *STEPS, *flags, "--max_steps=6", f"--exp_dir={made[name]}")
                == 0
            )
        return made[name]

    return run


RECIPES = {
    "sam": SAM,
    "psp": [*PSP_FLAGS, "--optim_name=adam", "--ema=0.9", "--grad_accum=2", "--train_decoder=True"],
    "psp_w": [*PSP_FLAGS, "--learn_in_w", "--w_norm_lambda=0.01"],
}


def arrays(path: Path) -> dict[str, np.ndarray]:
    checkpoint = read_checkpoint(path)
    return {name: np.array(checkpoint.state_dict[name]) for name in checkpoint.state_dict}


def lines(run: Path, split: str) -> dict[int, dict]:
    """The latest scalars of each step."""
    found = map(json.loads, (run / "logs" / "scalars.jsonl").read_text().splitlines())
    return {line["step"]: line for line in found if line["split"] == split}


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("last.pdopt", "last.pdparams", "best_model.pdparams"):
        left, right = (arrays(run / "checkpoints" / name) for run in (a, b))
        assert left.keys() == right.keys()
        different = [key for key in left if not np.array_equal(left[key], right[key])]
        assert not different, f"{name}: {different[:3]}"
    states = [read_checkpoint(run / "checkpoints" / "last.pdopt").opts for run in (a, b)]
    assert states[0] == states[1]


@pytest.mark.parametrize("recipe", RECIPES)
def test_three_steps_and_three_more_are_six(recipe, six, data, tmp_path):
    whole, flags = six(recipe, *RECIPES[recipe]), [*SMALL, *data, *STEPS, *RECIPES[recipe]]
    assert train(*flags, "--max_steps=3", f"--exp_dir={tmp_path}") == 0
    before = arrays(tmp_path / "checkpoints" / "last.pdparams")
    assert train("--resume", tmp_path, "--max_steps=6", "--workers=0") == 0
    assert_same_run(whole, tmp_path)
    after = arrays(tmp_path / "checkpoints" / "last.pdparams")
    moved = {k.split(".")[0] for k in after if not np.array_equal(before[k], after[k])}
    assert moved == ({"encoder", "decoder"} if "--train_decoder=True" in flags else {"encoder"})
    for split, steps in (("train", range(1, 7)), ("test", (3, 6))):
        logged = [lines(run, split) for run in (whole, tmp_path)]
        assert list(logged[0]) == list(steps)
        for step in steps:
            a, b = ({k: v for k, v in log[step].items() if k != "time"} for log in logged)
            assert a == b


@pytest.mark.parametrize("limit", [0, 3])
def test_known_codes_change_nothing(limit, six, data, tmp_path):
    """Six steps see 7 photos more than once, some of them mirrored; validation sees its own twice."""
    flags = [*SMALL, *data, *STEPS, *SAM, f"--code_cache={limit}", f"--exp_dir={tmp_path}"]
    assert train(*flags, "--max_steps=6") == 0
    for name in ("last.pdparams", "last.pdopt"):
        found, expected = (
            arrays(run / "checkpoints" / name) for run in (tmp_path, six("sam", *SAM))
        )
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert lines(tmp_path, "test")[6]["loss"] == lines(six("sam", *SAM), "test")[6]["loss"]


def test_output_of_a_run(six):
    run = six("sam", *SAM)
    names = {path.name for path in (run / "checkpoints").iterdir()}
    kept = {
        f"{n}.pdparams" for n in ("best_model", "last", "iteration_2", "iteration_4", "iteration_6")
    }
    assert names == {*kept, "last.pdopt"}
    assert json.loads((run / "opt.json").read_text())["aging_lambda"] == 5
    panels = sorted(p.relative_to(run).as_posix() for p in (run / "logs").rglob("*.jpg"))
    assert panels == [
        f"logs/images/{name}.jpg"
        for name in ("test/000003", "test/000006", "train/000001", "train/000003", "train/000006")
    ]
    assert Image.open(run / panels[0]).size == (3 * 256, 2 * (256 + 28))
    test = lines(run, "test")[6]
    assert test["loss"] == pytest.approx(test["loss_real"] + test["loss_cycle"], rel=1e-5)


def test_checkpoints_load_for_inference_with_the_runs_options(six):
    from work.configs.options import TestOptions
    from work.configs.saved_options import with_saved

    run = six("psp_w", *RECIPES["psp_w"])
    checkpoint = read_checkpoint(run / "checkpoints" / "best_model.pdparams")
    options = with_saved(TestOptions(), checkpoint.opts)
    assert (checkpoint.kind, options.learn_in_w, options.start_from_latent_avg) == (
        "psp",
        True,
        True,
    )
    assert options.output_size == 8 and checkpoint.latent_avg.shape == (4, 512)


def test_average_is_what_checkpoints_hold(six):
    run = six("psp", *RECIPES["psp"])
    state, model = (arrays(run / "checkpoints" / f"last.{s}") for s in ("pdopt", "pdparams"))
    name = "encoder.head.weight"
    assert np.array_equal(model[name], state[f"average/{name}"])
    assert not np.array_equal(model[name], state[f"weights/{name}"])
    assert np.array_equal(model["encoder.norm._mean"], state["weights/encoder.norm._mean"])


def test_keep_drops_the_oldest(data, tmp_path):
    flags = [*SMALL, *data, *PSP_FLAGS, "--val_interval=9", "--save_interval=1", "--keep=2"]
    assert train(*flags, "--max_steps=3", f"--exp_dir={tmp_path}") == 0
    found = sorted(p.name for p in (tmp_path / "checkpoints").glob("iteration_*"))
    assert found == ["iteration_2.pdparams", "iteration_3.pdparams"]


def test_a_second_run_does_not_overwrite_the_first(six, data, capfd):
    run = six("sam", *SAM)
    assert train(*SMALL, *data, *SAM, f"--exp_dir={run}") == 2
    assert f"--resume {run}" in capfd.readouterr().err


def test_nothing_to_resume(tmp_path, capfd):
    assert train("--resume", tmp_path) == 2
    assert str(tmp_path) in capfd.readouterr().err


def test_nan_stops_and_keeps_the_last_good_checkpoint(data, tmp_path, monkeypatch, capfd):
    calls = []

    def broken(a, b):
        calls.append(1)
        value = ((a[0] - b[0]) ** 2).mean(axis=[1, 2, 3])
        return value * float("nan") if len(calls) == 4 else value

    monkeypatch.setattr(TinyLPIPS, "distance", staticmethod(broken))
    flags = [*SMALL, *data, *PSP_FLAGS, "--val_interval=50", "--save_interval=2"]
    assert train(*flags, "--max_steps=9", f"--exp_dir={tmp_path}") == 2
    error = capfd.readouterr().err
    assert "step 4: loss_lpips is nan" in error and ".png" in error
    state = read_checkpoint(tmp_path / "checkpoints" / "last.pdopt")
    assert state.opts["step"] == 2
    weights = arrays(tmp_path / "checkpoints" / "last.pdparams")
    assert all(np.isfinite(value).all() for value in weights.values())


def test_weights_that_are_not_finite_are_never_saved(data, tmp_path, monkeypatch, capfd):
    real = paddle.optimizer.Adam.step

    def poisoned(self):
        real(self)
        self._parameter_list[0].set_value(self._parameter_list[0] * float("inf"))

    monkeypatch.setattr(paddle.optimizer.Adam, "step", poisoned)
    flags = [
        *SMALL,
        *data,
        *PSP_FLAGS,
        "--optim_name=adam",
        "--val_interval=9",
        "--save_interval=1",
    ]
    assert train(*flags, "--max_steps=3", f"--exp_dir={tmp_path}") == 2
    assert "not finite" in capfd.readouterr().err
    assert not list((tmp_path / "checkpoints").glob("*.pd*"))


def test_ctrl_c_saves_and_says_how_to_resume(six, data, tmp_path):
    run = start(*SMALL, *data, *STEPS, *SAM, "--max_steps=500", f"--exp_dir={tmp_path}")
    wait_for(run, "step 1 ")
    run.send_signal(signal.SIGINT)
    rest = run.communicate(timeout=120)[0]
    assert run.returncode == 130 and f"--resume {tmp_path}" in rest
    assert train("--resume", tmp_path, "--max_steps=6") == 0
    assert_same_run(six("sam", *SAM), tmp_path)


def test_sigterm_saves_too_and_has_its_own_exit_code(data, tmp_path):
    run = start(*SMALL, *data, *STEPS, *SAM, "--max_steps=500", f"--exp_dir={tmp_path}")
    wait_for(run, "step 1 ")
    run.send_signal(signal.SIGTERM)
    rest = run.communicate(timeout=120)[0]
    assert run.returncode == 143 and f"--resume {tmp_path}" in rest and "C++" not in rest


def test_kill_while_a_checkpoint_is_written_loses_one_interval_at_most(six, data, tmp_path):
    run = start(*SMALL, *data, *STEPS, *SAM, "--max_steps=6", f"--exp_dir={tmp_path}")
    wait_for(run, "step 3 ")
    deadline = time.time() + 60
    while not list((tmp_path / "checkpoints").glob(".last*")) and time.time() < deadline:
        assert run.poll() is None, "it has ended: no temporary file was seen"
        time.sleep(0.001)  # the temporary file of the next save
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "checkpoints" / "last.pdopt").opts["step"] >= 2
    assert train("--resume", tmp_path) == 0
    assert not list((tmp_path / "checkpoints").glob(".*"))
    assert_same_run(six("sam", *SAM), tmp_path)
