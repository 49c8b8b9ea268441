"""Two processes (gloo, on the CPU) give the update of one, and split a folder between them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.training_kit import SAM, SMALL, faces
from work import runtime
from work.datasets.folders import ImageFolder
from work.datasets.images import read_image
from work.locks import lock_folder
from work.models.checkpoint import read_checkpoint
from work.report import Report

ROOT = Path(__file__).parents[2]
KIT = str(ROOT / "tests" / "unit" / "training_kit.py")
# Paddle's synchronised batch norm is for GPUs: here batch norm stays in evaluation mode.
FLAGS = [*SMALL, *SAM, "--freeze_batch_norm", "--test_batch_size=1", "--board_interval=1"]


def run(*command, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(("local", "count"), [(None, 8), ("3", 2), ("16", 1)])
def test_ranks_share_the_cores(local, count, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.delenv("PADDLE_TRAINERS_NUM", raising=False)
    if local:
        monkeypatch.setenv("PADDLE_LOCAL_SIZE", local)
    else:
        monkeypatch.delenv("PADDLE_LOCAL_SIZE", raising=False)
    assert runtime.cpu_count() == count


def test_two_ranks_of_one_face_are_one_rank_of_two(tmp_path):
    flags = [*FLAGS, *faces(tmp_path / "data"), "--max_steps=3"]
    run(KIT, *flags, "--batch_size=2", f"--exp_dir={tmp_path / 'one'}")
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path}/log"]
    run(*launch, KIT, *flags, "--batch_size=1", f"--exp_dir={tmp_path / 'two'}")
    one, two = (
        read_checkpoint(tmp_path / name / "checkpoints" / "last.pdopt") for name in ("one", "two")
    )
    assert one.state_dict.keys() == two.state_dict.keys()
    for name in one.state_dict:
        a, b = (np.asarray(state.state_dict[name], np.float64) for state in (one, two))
        assert np.abs(a - b).max() <= 1e-5 * max(np.abs(a).max(), 1e-12), name
    assert one.opts["best"] == pytest.approx(two.opts["best"], rel=1e-5)  # validation is reduced
    assert two.opts["step"] == 3
    pictures = list((tmp_path / "two" / "logs").rglob("*.jpg"))
    assert len(pictures) == 2  # written by the first rank alone


def test_ranks_split_a_folder_by_whole_batches(tmp_path, monkeypatch):
    faces(tmp_path, train=7)

    def batches(rank: int, world: int) -> list[list[str]]:
        monkeypatch.setenv("PADDLE_TRAINER_ID", str(rank))
        monkeypatch.setenv("PADDLE_TRAINERS_NUM", str(world))
        shares = ImageFolder(tmp_path / "train", read_image, Report(), 2).batches()
        return [[str(name) for name in names] for names, _ in shares]

    whole, shares = batches(0, 1), [batches(rank, 3) for rank in range(3)]
    assert [len(share) for share in shares] == [2, 1, 1]
    assert sorted(batch for share in shares for batch in share) == sorted(whole)
    assert batches(4, 5) == [] and Report().exit_code() == 0


def test_metrics_of_two_ranks_are_the_files_of_one(tmp_path):
    faces(tmp_path, train=5)
    for age in ("20", "60"):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "train").rename(tmp_path / "results" / age)
        faces(tmp_path / f"more{age}", train=5)
        (tmp_path / f"more{age}" / "train").rename(tmp_path / "train")
    (tmp_path / "results" / "20" / "3.png").write_bytes(b"broken")
    (tmp_path / "results" / "60" / "stranger.png").write_bytes(b"broken")
    script = str(ROOT / "work" / "scripts" / "calc_losses_on_images.py")
    flags = ["--mode=l2", f"--data_path={tmp_path}/results", f"--gt_path={tmp_path}/train"]
    flags += ["--batch_size=2", "--workers=1", "--device=cpu"]
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path}/log"]
    run(script, *flags, f"--out_path={tmp_path}/one", code=1)
    run(*launch, script, *flags, f"--out_path={tmp_path}/two", code=1)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == names
    assert "scores_l2.json" in names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), (
            name
        )


def test_two_ranks_hold_their_folder_together(tmp_path):
    """The first rank holds the lock (the runs above show that the other does not stumble over it)."""
    flags = [*FLAGS, *faces(tmp_path / "data"), "--batch_size=1", f"--exp_dir={tmp_path / 'run'}"]
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path}/log"]
    with lock_folder(tmp_path / "run", "--exp_dir"):
        run(*launch, KIT, *flags, "--max_steps=1", code=2)
        said = (tmp_path / "log" / "workerlog.0").read_text()
        assert (
            f"error: --exp_dir {tmp_path / 'run'}: process {os.getpid()} is writing there" in said
        )


def test_two_ranks_of_a_baseline_are_one_rank_of_two(tmp_path):
    rng = np.random.default_rng(0)
    for part, age, i in itertools.product(("train", "test"), (25, 70), range(3)):
        path = tmp_path / "data" / part / f"{age}_0_0_2017010{i}170550929.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (6, 6, 3), np.uint8)
        Image.fromarray(pixels).resize((64, 64), 3).save(path)
    script = str(ROOT / "work" / "scripts" / "train_cyclegan.py")
    flags = [f"--{part}_root={tmp_path / 'data' / part}" for part in ("train", "test")]
    flags += "--method=group-gan --groups=20-40,60+ --size=64 --ngf=2 --ndf=2 --blocks=1".split()
    flags += "--device=cpu --pool_size=0 --max_steps=2 --test_batch_size=1 --workers=0".split()
    run(script, *flags, "--batch_size=2", f"--exp_dir={tmp_path / 'one'}")
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path}/log"]
    run(*launch, script, *flags, "--batch_size=1", f"--exp_dir={tmp_path / 'two'}")
    one, two = (
        read_checkpoint(tmp_path / name / "20-40_60+" / "checkpoints" / "last.pdparams").state_dict
        for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for name in one:
        a, b = (np.asarray(state[name], np.float64) for state in (one, two))
        assert np.abs(a - b).max() <= 1e-5, name  # Adam's first steps are of 2e-4 each
    assert (tmp_path / "two" / "generators.pdparams").exists()
