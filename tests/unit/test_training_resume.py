"""What a run refuses, in one line each: company in its folder, and a saved state that is not what it wrote."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from convert_weights.checksum import is_intact
from tests.unit.test_training_loop import start, wait_for
from tests.unit.training_kit import PSP_FLAGS, SAM, SMALL, faces, train
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.training.precision import Precision


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two steps with an average and Adam."""
    root = tmp_path_factory.mktemp("resume")
    flags = [*SMALL, *faces(root), *PSP_FLAGS, "--optim_name=adam", "--ema=0.9", "--max_steps=2"]
    assert train(*flags, f"--exp_dir={root / 'run'}") == 0
    return root / "run"


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


def refusal(folder: Path, capfd) -> str:
    """The one line with which a run is not resumed."""
    capfd.readouterr()
    assert train("--resume", folder, "--max_steps=3") == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def test_an_untouched_run_resumes(copy):
    assert train("--resume", copy, "--max_steps=3") == 0


def test_a_run_goes_on_in_its_own_folder_only(copy, tmp_path, capfd):
    assert train("--resume", copy, f"--exp_dir={tmp_path / 'other'}", "--max_steps=3") == 2
    assert "leave --exp_dir out" in capfd.readouterr().err
    assert train("--resume", copy, f"--exp_dir={copy}", "--max_steps=2") == 0


OPTIONS = {
    "a list": (lambda text: "[1, 2]", "opt.json: options by name are expected, not a list"),
    "a word for a number": (
        lambda text: text.replace('"learning_rate": 0.0001', '"learning_rate": "fast"'),
        "opt.json: learning_rate is 'fast'; a number is expected",
    ),
    "a fraction of a step": (
        lambda text: text.replace('"max_steps": 2', '"max_steps": 2.5'),
        "opt.json: max_steps is 2.5; a whole number is expected",
    ),
    "true for a number": (
        lambda text: text.replace('"batch_size": 2', '"batch_size": true'),
        "opt.json: batch_size is True; a whole number is expected",
    ),
    "null for a number": (
        lambda text: text.replace('"batch_size": 2', '"batch_size": null'),
        "opt.json: batch_size is None; a whole number is expected",
    ),
    "an unknown recipe": (
        lambda text: text.replace("ffhq_encode", "ffhq_shrink"),
        "opt.json: dataset_type is 'ffhq_shrink'; it is one of ffhq_aging, ffhq_encode",
    ),
    "a number out of range": (
        lambda text: text.replace('"ema": 0.9', '"ema": NaN'),
        "--ema lies between 0 and 1",
    ),
    "half a file": (lambda text: text[:200], "opt.json: damaged: not JSON"),
    "brackets without end": (lambda text: "[" * 100_000, "opt.json: damaged: not JSON"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_damaged_options_are_named(name, copy, capfd):
    damage, message = OPTIONS[name]
    text = (copy / "opt.json").read_text()
    assert damage(text) != text
    (copy / "opt.json").write_text(damage(text))
    assert message in refusal(copy, capfd)


def test_options_that_are_no_text_are_named(copy, capfd):
    (copy / "opt.json").write_bytes(b"\xff\xfe\x00")
    assert "opt.json: damaged: not JSON" in refusal(copy, capfd)


def rewritten(path: Path, change) -> None:
    """Let `change` work on the arrays and the plain data of a state, and write both without a checksum."""
    saved = read_checkpoint(path)
    arrays, plain = {n: saved.state_dict[n] for n in saved.state_dict}, dict(saved.opts)
    change(arrays, plain)
    save_checkpoint(path, saved.kind, arrays, None, plain)


MISSING = {
    "scaler": (lambda arrays, plain: plain.pop("scaler"), "loss scaler"),
    "step": (lambda arrays, plain: plain.update(step="two"), "number of steps"),
    "best": (lambda arrays, plain: plain.update(best=[1.0]), "best loss"),
    "weights": (lambda arrays, plain: arrays.pop("weights/encoder.head.weight"), "head.weight"),
    "moment": (lambda arrays, plain: arrays.pop("optimizer/encoder.head.weight_moment2_0"), "head"),
    "power": (lambda a, plain: a.pop("optimizer/encoder.head.weight_beta1_pow_acc_0"), "beta1"),
    "shape": (
        lambda a, plain: a.update({"optimizer/encoder.head.bias_moment1_0": np.zeros(3, "f4")}),
        "head.bias_moment1_0",
    ),
    "average": (lambda arrays, plain: arrays.pop("average/encoder.head.weight"), "head.weight"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_state_that_lacks_something_is_not_resumed(name, copy, capfd):
    change, message = MISSING[name]
    rewritten(copy / "checkpoints" / "last.pdopt", change)
    line = refusal(copy, capfd)
    assert message in line and "last.pdopt" in line


def test_a_state_of_an_older_version_without_a_checksum_resumes(copy):
    rewritten(copy / "checkpoints" / "last.pdopt", lambda arrays, plain: None)
    assert train("--resume", copy, "--max_steps=3") == 0


@pytest.mark.parametrize("name", ["last.pdopt", "last.pdparams"])
def test_every_flipped_bit_is_noticed(name, copy):
    path = copy / "checkpoints" / name
    whole = bytearray(path.read_bytes())
    assert is_intact(path)
    for position in np.random.default_rng(0).integers(0, len(whole) - 80, 20):
        path.write_bytes(flipped(whole, position))
        assert not is_intact(path)


@pytest.mark.parametrize("name", ["last.pdopt", "last.pdparams"])
@pytest.mark.parametrize("share", [0.3, 0.999999])
def test_a_flipped_bit_is_named_at_resume(name, share, copy, capfd):
    path = copy / "checkpoints" / name
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, int(share * len(whole))))
    line = refusal(copy, capfd)
    assert name in line and "damaged" in line


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("name", ["last.pdopt", "last.pdparams"])
def test_half_a_file_is_named_at_resume(name, copy, capfd):
    path = copy / "checkpoints" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert name in refusal(copy, capfd)


def test_paddle_loads_a_file_with_a_checksum(run):
    import paddle

    loaded = paddle.load(str(run / "checkpoints" / "last.pdparams"))
    saved = read_checkpoint(run / "checkpoints" / "last.pdparams")
    assert np.array_equal(
        loaded["state_dict"]["encoder.head.bias"], saved.state_dict["encoder.head.bias"]
    )


def test_a_second_run_in_one_folder_is_refused_until_the_first_is_killed(tmp_path, capfd):
    data = faces(tmp_path / "data")
    flags = [
        *SMALL,
        *data,
        *SAM,
        "--save_interval=1",
        "--board_interval=1",
        f"--exp_dir={tmp_path / 'run'}",
    ]
    first = start(*flags, "--max_steps=5000")
    try:
        wait_for(first, "step 2 ")
        for again in (flags, ["--resume", tmp_path / "run"]):
            capfd.readouterr()
            assert train(*again) == 2
            error = capfd.readouterr().err
            assert f"process {first.pid} is writing there" in error and error.count("\n") == 1
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    step = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.pdopt").opts["step"]
    assert train("--resume", tmp_path / "run", f"--max_steps={step + 1}") == 0
    assert not (tmp_path / "run" / ".lock").exists()
    assert json.loads((tmp_path / "run" / "opt.json").read_text())["max_steps"] == step + 1


def test_the_scaler_of_mixed_precision_survives_a_file_and_names_what_it_lacks(tmp_path):
    """Paddle's scaler is switched off on a CPU; here its state is a GPU's."""
    precision = Precision("O1", "float16", gpu=True)
    scaler = precision.scaler = FakeScaler()
    state = precision.state_dict()
    save_checkpoint(tmp_path / "x.pd", "x", {"a": np.zeros(1)}, opts={"scaler": state})
    read = read_checkpoint(tmp_path / "x.pd").opts["scaler"]
    assert read == state == {"scale": [4096.0], "incr_count": 3, "use_dynamic_loss_scaling": True}
    precision.set_state_dict(read)
    assert scaler.loaded["scale"][0] == 4096
    precision.set_state_dict({})  # of a run without mixed precision
    del read["incr_count"]
    with pytest.raises(Exception, match="loss scaler's state lacks incr_count"):
        precision.set_state_dict(read)


class FakeScaler:
    def state_dict(self):
        scale = np.array([4096.0], np.float32)
        return {"scale": scale, "incr_count": 3, "use_dynamic_loss_scaling": True}

    def load_state_dict(self, state):
        self.loaded = state
