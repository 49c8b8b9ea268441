"""Preparing data, and the order in which training reads it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.training_kit import PSP_FLAGS, SMALL, faces, train
from work.datasets import training
from work.datasets.transforms import to_input
from work.errors import UserError, run
from work.scripts.prepare_data import main


@pytest.fixture
def photos(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a/1.png", "a/2.jpg", "3.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).save(path)
    return tmp_path / "in"


def prepared(photos, *flags) -> int:
    return main([f"--data_path={photos}", f"--out_path={photos.parent / 'out'}", *flags])


def test_prepared_faces_are_what_training_reads_from_the_large_ones(photos):
    assert prepared(photos, "--size=32") == 0
    out = photos.parent / "out"
    for name in ("a/1", "a/2", "3"):
        source = next(photos.glob(f"{name}.*"))
        expected = to_input(Image.open(source), 32)
        np.testing.assert_array_equal(to_input(Image.open(out / f"{name}.png"), 32), expected)


def test_preparing_again_goes_on_and_lists_bad_files(photos, capsys):
    (photos / "broken.png").write_bytes(b"\x89PNG")
    Image.new("RGB", (40, 50)).save(photos / "tall.png")
    assert prepared(photos, "--size=32") == 1
    assert "3 resized, 0 were there already, 2 failed" in capsys.readouterr().out
    bad = (photos.parent / "out" / "bad_files.txt").read_text()
    assert "broken.png: " in bad and "tall.png: 40x50 is not square" in bad
    (photos.parent / "out" / "3.png").unlink()
    for name in ("broken.png", "tall.png"):
        (photos / name).unlink()
    assert prepared(photos, "--size=32") == 0
    assert "1 resized, 2 were there already, 0 failed" in capsys.readouterr().out
    assert not (photos.parent / "out" / "bad_files.txt").exists()


def test_another_size_is_prepared_anew(photos, capsys):
    for size in ("32", "48"):
        assert prepared(photos, f"--size={size}") == 0
        assert "3 resized, 0 were there already" in capsys.readouterr().out
    assert Image.open(photos.parent / "out" / "3.png").size == (48, 48)


def test_names_that_collide_are_an_error(photos, capsys):
    (photos / "3.jpg").write_bytes((photos / "a/2.jpg").read_bytes())
    assert run(lambda: prepared(photos)) == 2
    assert "would both become" in capsys.readouterr().err


def stream(seed, first, size, rank=0, world=1, batches=6):
    keys = training.training_keys(5, seed, first, size, rank, world)
    return list(itertools.islice(keys, batches))


def test_an_epoch_has_every_face_once_and_the_next_another_order():
    seen = [index for batch in stream(0, 0, 1, batches=10) for index, _ in batch]
    assert sorted(seen[:5]) == sorted(seen[5:]) == list(range(5))
    assert seen[:5] != seen[5:]


def test_batches_depend_on_the_seed_and_the_position_alone():
    whole = stream(3, 0, 4)
    assert stream(3, 2, 4)[:4] == whole[2:]
    assert stream(4, 0, 4) != whole
    ranks = [stream(3, 0, 2, rank, 2) for rank in range(2)]
    assert [a + b for a, b in zip(*ranks)] == whole


def test_half_of_the_faces_are_mirrored():
    flips = training.epoch_order(4000, 0, 0)[1]
    assert 0.45 < flips.mean() < 0.55
    assert not any(flip for batch in training.validation_keys(7, 3) for _, flip in batch)


def test_mirrored_faces_and_threads(photos):
    folder = training.FaceFolder(photos, 32)
    keys = [[(0, False), (1, True)], [(2, False)]]
    plain, threads = (list(training.load(folder, keys, workers)) for workers in (0, 3))
    for a, b in zip(plain, threads):
        np.testing.assert_array_equal(a.faces, b.faces)
        assert a.files == b.files
    straight = folder.read(1)[0]
    np.testing.assert_array_equal(plain[0].faces[1], straight[:, :, ::-1])
    assert [len(batch.files) for batch in plain] == [2, 1]


def test_a_folder_without_a_readable_face_is_an_error(tmp_path):
    (tmp_path / "x.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match="no face in"):
        training.FaceFolder(tmp_path).read(0)


def test_a_bad_face_is_named_and_replaced(tmp_path, capfd):
    flags = faces(tmp_path / "data", train=3)
    (tmp_path / "data" / "train" / "1.png").write_bytes(b"\x89PNG broken")
    run = [*SMALL, *flags, *PSP_FLAGS, "--max_steps=3", f"--exp_dir={tmp_path / 'run'}"]
    assert train(*run) == 0
    out, err = capfd.readouterr()
    assert err.count("1.png: ") == 1 and "1 training faces could not be read" in out
