"""train_cyclegan.py: the shared loop resumes bit for bit, trains run after run, and refuses what cannot work."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from work.errors import run
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.scripts.train_cyclegan import main
from work.training.cyclegan.recipe import CycleRecipe

SMALL = """--device=cpu --size=64 --ngf=2 --ndf=2 --blocks=1 --test_batch_size=2 --workers=1 --test_workers=0
 --pool_size=2 --ema=0.9 --board_interval=1 --val_interval=3 --image_interval=3 --groups=20-40,60+""".split()


def train(*flags) -> int:
    return run(lambda: main([*map(str, flags)]))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    for part, count in (("train", 5), ("test", 2)):
        (root / part).mkdir()
        for age in (25, 38, 62, 75):
            for i in range(count):
                pixels = rng.integers(0, 255, (6, 6, 3), np.uint8)
                name = f"{age}_0_0_2017010{i}170550929.png"
                Image.fromarray(pixels).resize((64, 64), 3).save(root / part / name)
    return [f"--train_root={root / 'train'}", f"--test_root={root / 'test'}"]


def arrays(path: Path) -> dict[str, np.ndarray]:
    state = read_checkpoint(path).state_dict
    return {name: np.array(state[name]) for name in state}


def logged(folder: Path) -> dict:
    """The latest scalars by split and step."""
    lines = map(json.loads, (folder / "logs" / "scalars.jsonl").read_text().splitlines())
    return {(x["split"], x["step"]): {k: v for k, v in x.items() if k != "time"} for x in lines}


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("last.pdopt", "last.pdparams"):
        left, right = (arrays(run / "checkpoints" / name) for run in (a, b))
        assert left.keys() == right.keys()
        different = [key for key in left if not np.array_equal(left[key], right[key])]
        assert not different, f"{name}: {different[:3]}"
    assert logged(a) == logged(b)


@pytest.mark.parametrize("method, name", [("group-gan", "20-40_60+"), ("fa-gan", "fa")])
def test_three_steps_and_three_more_are_six(method, name, data, tmp_path):
    flags = [
        *SMALL,
        *data,
        f"--method={method}",
        "--batch_size=2",
        "--warmup_steps=1",
        "--cycle_interval=2",
    ]
    assert train(*flags, "--max_steps=6", f"--exp_dir={tmp_path / 'whole'}") == 0
    halves = tmp_path / "halves"
    assert train(*flags, "--max_steps=6", f"--exp_dir={halves}", "--resume", tmp_path / "no") == 2
    stop_after(3, flags, halves)
    before = arrays(halves / name / "checkpoints" / "last.pdopt")
    assert before["memory/older.faces"].shape == (2, 3, 64, 64)
    assert train("--resume", halves, "--workers=0") == 0
    assert_same_run(tmp_path / "whole" / name, halves / name)
    after = arrays(halves / name / "checkpoints" / "last.pdopt")
    moved = {
        n.split(".")[0] for n in after if n.startswith("weights/") and (before[n] != after[n]).any()
    }
    assert moved == {f"weights/{n}" for n in ("older", "younger", "judge_older", "judge_younger")}


def stop_after(steps: int, flags: list[str], folder: Path) -> None:
    """Start a run, and ask it to stop, as Ctrl-C does, in the step after some steps."""
    real = CycleRecipe.run_batch

    def run_batch(self, batch, place, backward):
        if place.key == (steps, 0):
            raise AssertionError("the run went on")
        outcome = real(self, batch, place, backward)
        if place.key == (steps - 1, 0):
            signal.raise_signal(signal.SIGINT)
        return outcome

    with mock.patch.object(CycleRecipe, "run_batch", run_batch):
        assert train(*flags, "--max_steps=6", f"--exp_dir={folder}") == 130


def test_runs_of_one_command_follow_each_other_and_resume(data, tmp_path, capsys):
    flags = [
        *SMALL,
        *data,
        "--method=f-gan",
        "--groups=20-30,30-40,60+",
        "--pairs=20-30:60+,20-30:30-40",
    ]
    flags += ["--max_steps=2", f"--exp_dir={tmp_path}"]
    assert train(*flags, "--only=fa") == 0
    made = arrays(tmp_path / "generators.pdparams")
    assert {name.split("/")[0] for name in made} == {"fa"}
    first = (tmp_path / "fa" / "checkpoints" / "last.pdopt").read_bytes()
    assert train(*flags) == 2
    assert f"--resume {tmp_path}" in capsys.readouterr().err
    assert train("--resume", tmp_path, "--only=fa,20-30_30-40,20-30_60+") == 0
    said = capsys.readouterr().out
    assert "run 1 of 3: fa" in said and "run 3 of 3: 20-30_30-40" in said
    assert (tmp_path / "fa" / "checkpoints" / "last.pdopt").read_bytes() == first
    checkpoint = read_checkpoint(tmp_path / "generators.pdparams")
    assert checkpoint.opts["runs"] == ["20-30_30-40", "20-30_60+", "fa"]
    own = arrays(tmp_path / "fa" / "checkpoints" / "last.pdparams")["older.last.weight"]
    assert np.array_equal(checkpoint.state_dict["fa/older.last.weight"], own.astype(np.float16))
    assert not any("judge" in name for name in checkpoint.state_dict)


def test_the_learning_rate_is_constant_and_then_falls_to_nothing(data, tmp_path):
    from work.configs.cyclegan_options import CycleGANOptions
    from work.training.ranks import Ranks

    root = dict(flag[2:].split("=") for flag in data)
    options = CycleGANOptions(
        **root, groups="20-40,60+", size=64, max_steps=100, warmup_steps=10, only="fa"
    )
    rate = CycleRecipe(options, Ranks()).learning_rate
    assert rate(0) == pytest.approx(1e-3)  # warming up
    assert [rate(step) for step in (10, 49, 50)] == pytest.approx([2e-4] * 3)
    assert [rate(step) for step in (75, 99)] == pytest.approx([1e-4, 4e-6])


def test_a_collapsed_run_says_so_and_stops(data, tmp_path, capsys):
    flags = [*SMALL, *data, "--method=group-gan", "--max_steps=6", f"--exp_dir={tmp_path}"]
    with (
        mock.patch("work.training.cyclegan.recipe.EARLY", 3),
        mock.patch(
            "work.models.cyclegan.generator.Generator.forward",
            lambda self, x, *_: x * 0 + self.last.bias[0],
        ),
    ):
        assert train(*flags) == 2
    error = capsys.readouterr().err
    assert (
        "step 3: collapsed: the faces made older differ by 0%" in error
        and "--keep_collapsed" in error
    )


@pytest.mark.parametrize(
    "flags, problem",
    [
        (["--groups=20-40,90+"], "the age group 90+ has no face"),
        (["--groups=20-40,30-50"], "overlaps"),
        (["--pairs=60+:20-40"], "--pairs 60+:20-40"),
        (["--only=10-20_60+"], "--only 10-20_60+: the runs are fa, 20-40_60+"),
        (["--size=66"], "--size"),
        (["--amp=O2"], "--amp O2"),
        (["--train_root=tests/data"], "a folder without ages"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(flags, problem, data, tmp_path, capsys):
    assert train(*SMALL, *data, *flags, f"--exp_dir={tmp_path / 'run'}", "--max_steps=1") == 2
    error = capsys.readouterr().err.strip()
    assert problem in error and len(error.splitlines()) == 1


def test_weights_of_another_method_are_refused(data, tmp_path, capsys):
    save_checkpoint(
        tmp_path / "fa.pdparams", "fa_gan", {"older.last.bias": np.zeros(3, np.float32)}
    )
    flags = [*SMALL, *data, "--method=group-gan", f"--checkpoint_path={tmp_path / 'fa.pdparams'}"]
    assert train(*flags, f"--exp_dir={tmp_path / 'run'}", "--max_steps=1") == 2
    assert "holds fa_gan weights; group_gan is trained here" in capsys.readouterr().err


def test_a_face_that_cannot_be_read_is_replaced_by_one_about_as_old(data):
    from work.configs.cyclegan_options import CycleGANOptions
    from work.training.ranks import Ranks

    root = dict(flag[2:].split("=") for flag in data)
    options = CycleGANOptions(**root, groups="20-40,60+", size=64, only="20-40_60+")
    recipe = CycleRecipe(options, Ranks())
    ages = np.array([int(path.name.split("_")[0]) for path in recipe.train_faces.paths])
    assert (np.diff(ages) >= 0).all()  # the next one in this order takes its place
    young, old = recipe.planners[0].groups
    assert set(ages[young]) == {25, 38} and set(ages[old]) == {62, 75}
