"""train_reaging.py: resumes bit for bit, validates on people kept aside, and refuses what cannot work."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.cyclegan.test_training import arrays, assert_same_run, logged
from tests.reaging.kit import draw, make_people, make_photos, tiny
from work.configs.reaging_options import ReagingOptions
from work.errors import run
from work.models.checkpoint import read_checkpoint
from work.scripts.train_reaging import main
from work.training.ranks import Ranks
from work.training.reaging.recipe import ReagingRecipe, batch_kinds

SMALL = """--device=cpu --size=128 --ndf=2 --batch_size=3 --whole_share=0.5 --photos_share=0.34 --test_every=3
 --test_workers=0 --max_test_batches=1 --board_interval=1 --val_interval=2 --image_interval=4 --looks=1""".split()


def train(*flags) -> int:
    with tiny():
        return run(lambda: main([*map(str, flags)]))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    people, photos = make_people(root / "people"), make_photos(root / "photos")
    return [f"--train_root={people}", f"--photos_root={photos}"]


def test_two_steps_and_two_more_are_four(data, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train(*SMALL, *data, "--max_steps=4", f"--exp_dir={whole}") == 0
    assert (
        train(*SMALL, *data, "--max_steps=2", f"--exp_dir={halves}") == 0
    )  # before the rate falls
    before = arrays(halves / "checkpoints" / "last.pdopt")
    assert train("--resume", halves, "--max_steps=4", "--workers=0") == 0
    after = arrays(halves / "checkpoints" / "last.pdopt")
    assert_same_run(whole, halves)
    weights = [name for name in after if name.startswith("weights/")]
    moved = {name.split(".")[0] for name in weights if (before[name] != after[name]).any()}
    assert moved == {"weights/reager", "weights/judge"}


def test_a_run_leaves_panels_terms_and_the_network(data, tmp_path, capsys):
    assert train(*SMALL, *data, "--max_steps=2", f"--exp_dir={tmp_path}") == 0
    terms = logged(tmp_path)[("test", 2)]
    paired, photo = {"l1", "lpips", "id", "age"}, {"id_photo", "age_photo"}
    assert terms.keys() >= {"loss", "apart", "gan", "judge", *paired, *photo}
    assert len({"cycle", "stays"} & terms.keys()) == 1  # one photo
    panel = Image.open(tmp_path / "logs" / "images" / "test" / "000002.jpg")
    # Input, wanted, output and five ages, of two faces.
    assert panel.size == (8 * 256, 2 * (256 + 28))
    shipped = read_checkpoint(tmp_path / "reaging.pdparams")
    last = read_checkpoint(tmp_path / "checkpoints" / "last.pdparams").state_dict
    assert shipped.kind == "reaging" and {name.split(".")[0] for name in shipped.state_dict} == {
        "reager"
    }
    for name in shipped.state_dict:
        assert np.array_equal(shipped.state_dict[name], np.asarray(last[name]).astype(np.float16))
    assert "best" in capsys.readouterr().out
    assert (tmp_path / "checkpoints" / "best_model.pdparams").exists()


def test_training_starts_from_the_weights_of_another_run(data, tmp_path):
    people = data[:1]
    assert train(*SMALL, *people, "--max_steps=1", f"--exp_dir={tmp_path / 'a'}") == 0
    first = tmp_path / "a" / "checkpoints" / "last.pdparams"
    flags = ["--seed=1", "--max_steps=1", "--learning_rate=1e-12", "--ema=0"]
    flags.append(f"--checkpoint_path={first}")
    assert train(*SMALL, *data, *flags, f"--exp_dir={tmp_path / 'b'}") == 0
    second = arrays(tmp_path / "b" / "checkpoints" / "last.pdparams")
    for name, value in arrays(first).items():
        assert np.allclose(value, second[name], atol=1e-6), name


def test_a_test_root_keeps_all_other_people_for_training(data, tmp_path, capsys):
    make_people(tmp_path / "aside", 2)
    flags = [data[0], f"--test_root={tmp_path / 'aside'}", f"--exp_dir={tmp_path / 'run'}"]
    assert train(*SMALL, *flags, "--max_steps=1") == 0
    assert "12 training and 6 test faces" in capsys.readouterr().out


def test_a_batch_holds_what_the_shares_say():
    def kinds(**flags) -> str:
        options = ReagingOptions(train_root="people", **flags)
        return " ".join(batch_kinds(options, photos=True))

    assert kinds() == "crop crop whole photo"
    assert kinds(batch_size=8, photos_share=0.5) == "crop crop crop whole photo photo photo photo"
    assert kinds(photos_share=1.0) == "photo photo photo photo"
    assert kinds(photos_share=0.0, whole_share=1.0) == "whole whole whole whole"


def test_the_rate_rises_is_constant_and_falls_to_nothing(data):
    options = ReagingOptions(train_root=data[0].split("=")[1], test_every=3, max_steps=10000)
    rate = ReagingRecipe(options, Ranks()).learning_rate
    assert [rate(step) for step in (149, 299, 7000)] == pytest.approx([1e-4, 2e-4, 2e-4])
    assert [rate(step) for step in (8500, 10000)] == pytest.approx([1e-4, 0])


def test_a_dry_run_prints_the_options_and_makes_nothing(data, tmp_path, capsys):
    assert train(data[0], f"--exp_dir={tmp_path / 'run'}", "--dry_run") == 0
    assert "gan_lambda: 0.05" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags, reason",
    [
        ([], "--train_root is needed"),
        (["--train_root=EMPTY"], "nobody in it"),
        (["--train_root=ONE"], "at least two ages"),
        (["--train_root=PEOPLE", "--photos_root=EMPTY"], "no image"),
        (["--train_root=PEOPLE", "--photos_root=ONE"], "ages.csv"),
        (["--train_root=PEOPLE", "--photos_root=ONE", "--ages_csv=no.csv"], "no.csv"),
        (["--train_root=PEOPLE", "--size=200"], "multiple of 16"),
        (["--train_root=PEOPLE", "--whole_share=2"], "--whole_share lies between"),
        (["--train_root=PEOPLE", "--gan_lambda=-1"], "--gan_lambda"),
        (["--train_root=LONE"], "--test_every"),
        (["--train_root=PEOPLE", "--photos_root=ONE", "--batch_size=2"], "2 that is no photo"),
    ],
)
def test_what_cannot_work_is_one_line_and_code_2(flags, reason, data, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    draw(tmp_path / "one" / "00001" / "20.jpg", np.random.default_rng(0))
    names = {
        "PEOPLE": data[0].split("=")[1],
        "EMPTY": str(tmp_path / "empty"),
        "ONE": str(tmp_path / "one"),
        "LONE": str(make_people(tmp_path / "lone", 1)),
    }
    for name, path in names.items():
        flags = [flag.replace(f"={name}", f"={path}") for flag in flags]
    assert train(*flags, "--max_steps=1", f"--exp_dir={tmp_path / 'run'}") == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and reason in error
    assert not (tmp_path / "run" / "checkpoints").exists()
