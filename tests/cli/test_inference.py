"""The inference scripts on real files, as a user calls them."""

import os
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from work.datasets.images import read_image
from work.datasets.transforms import to_input, to_picture
from work.errors import run
from work.loading import load_network
from work.scripts import (
    inference,
    inference_side_by_side,
    reference_guided_inference,
    style_mixing,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(light_model):
    return light_model


@pytest.fixture(autouse=True)
def load_once(model, monkeypatch, light_sam):
    """Every call of a script in this process gets the model that is loaded already."""
    from work.inference import load

    real = load.load_model

    def cached(options):
        return model if options.checkpoint_path == str(light_sam) else real(options)

    monkeypatch.setattr(load, "load_model", cached)


def call(script, light_sam, folder, out, *flags) -> int:
    argv = [f"--exp_dir={out}", f"--checkpoint_path={light_sam}", f"--data_path={folder}", *flags]
    return run(lambda: script.main(argv))


def expected_face(model, path, age, **mix) -> np.ndarray:
    """What the network alone says, without the scripts' batching."""
    faces = paddle.to_tensor(to_input(read_image(path))[None])
    with paddle.no_grad():
        inputs = paddle.concat([faces, paddle.full([1, 1, 256, 256], age / 100)], axis=1)
        image = model.net(inputs, resize=True, randomize_noise=False, **mix)
    return np.asarray(to_picture(image[0].numpy()), np.int16)


def cells(path, size=256) -> list:
    grid = np.asarray(Image.open(path), np.int16)
    assert grid.shape[0] % size == 0 and grid.shape[1] % size == 0
    return [
        [grid[y : y + size, x : x + size] for x in range(0, grid.shape[1], size)]
        for y in range(0, grid.shape[0], size)
    ]


def test_grids(model, light_sam, photos, tmp_path, capsys):
    flags = ("--target_age=0,100", "--resize_outputs", "--test_batch_size=2", "--test_workers=1")
    code = call(inference_side_by_side, light_sam, photos, tmp_path / "exp", *flags)
    text = capsys.readouterr().err
    assert code == 1  # two of five files are no pictures
    assert "broken.jpg" in text and "empty.png" in text and "2 of 5 images failed" in text
    out = tmp_path / "exp/inference_side_by_side"
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.jpg", "c.png"]
    (row,) = cells(out / "c.png")  # the last, incomplete batch is there too
    assert len(row) == 3
    assert abs(row[0] - np.asarray(Image.open(photos / "c.png"), np.int16)).max() <= 1
    for cell, age in zip(row[1:], (0, 100)):
        assert abs(cell - expected_face(model, photos / "c.png", age)).max() <= 1
    assert abs(row[1] - row[2]).max() > 3  # the age matters


def test_relative_ages_add_to_what_a_small_network_estimates(
    model, light_sam, photos, tmp_path, fetched
):
    flags = ("--target_age=+0,+30", "--resize_outputs", "--n_images=1")
    assert call(inference_side_by_side, light_sam, photos, tmp_path / "exp", *flags) == 0
    face = paddle.to_tensor(to_input(read_image(photos / "a.png"))[None])
    own = load_network("age_v1").predict_age(face).item()
    ((_, now, later),) = cells(tmp_path / "exp/inference_side_by_side/a.png")
    for cell, age in ((now, own), (later, min(own + 30, 100))):
        assert abs(cell - expected_face(model, photos / "a.png", age)).max() <= 1


def test_folders_per_age(model, light_sam, photos, tmp_path):
    flags = ("--target_age=20,70", "--resize_outputs", "--couple_outputs", "--n_images=1")
    assert call(inference, light_sam, photos, tmp_path / "exp", *flags) == 0
    exp = tmp_path / "exp"
    for age in (20, 70):
        assert [p.name for p in (exp / f"inference_results/{age}").iterdir()] == ["a.png"]
        result = np.asarray(Image.open(exp / f"inference_results/{age}/a.png"), np.int16)
        assert abs(result - expected_face(model, photos / "a.png", age)).max() <= 1
        ((_, coupled),) = cells(exp / f"inference_coupled/{age}/a.png")
        assert (coupled == result).all()
    assert (exp / "stats.txt").read_text().startswith("Runtime ")


def test_full_size_cells(light_sam, photos, tmp_path):
    flags = ("--target_age=30", "--n_images=1")
    assert call(inference_side_by_side, light_sam, photos, tmp_path / "exp", *flags) == 0
    assert Image.open(tmp_path / "exp/inference_side_by_side/a.png").size == (2048, 1024)


def test_references(model, light_sam, photos, tmp_path):
    listing = tmp_path / "refs.txt"
    listing.write_text(f"photos/b.jpg\n\n{photos / 'c.png'}\n")
    flags = ("--latent_mask=1,2", "--mix_alpha=0.5", "--resize_outputs", "--n_images=1")
    flags += (f"--ref_images_paths_file={listing}", "--target_age=50")
    assert call(reference_guided_inference, light_sam, photos, tmp_path / "exp", *flags) == 0
    upper, lower = cells(tmp_path / "exp/reference_guided_inference/50/a.png")
    assert len(upper) == len(lower) == 3
    assert upper[0].max() == 0
    assert abs(upper[2] - np.asarray(Image.open(photos / "c.png"), np.int16)).max() <= 1
    for cell, name in zip(lower[1:], ("b.jpg", "c.png")):
        faces = paddle.to_tensor(to_input(read_image(photos / name))[None])
        with paddle.no_grad():
            style = model.net.pretrained_encoder(faces) + model.net.latent_avg
        mix = dict(latent_mask=[1, 2], inject_latent=style, alpha=0.5)
        assert abs(cell - expected_face(model, photos / "a.png", 50, **mix)).max() <= 1


def test_style_mixing_is_seeded(light_sam, photos, tmp_path):
    flags = ("--latent_mask=0,1,2,3", "--resize_outputs", "--n_images=1", "--target_age=50")
    flags += ("--n_outputs_to_generate=2",)
    grids = []
    for _ in range(2):
        paddle.seed(3)
        assert call(style_mixing, light_sam, photos, tmp_path / "exp", *flags) == 0
        grids.append(cells(tmp_path / "exp/style_mixing/50/a.png")[0])
    assert len(grids[0]) == 3
    assert all((a == b).all() for a, b in zip(*grids))
    assert abs(grids[0][1] - grids[0][2]).max() > 3


@pytest.mark.parametrize(
    ("script", "flags", "said"),
    [
        (style_mixing, ("--latent_mask=1", "--target_age=10,20"), "one target age"),
        (style_mixing, ("--target_age=10",), "--latent_mask"),
        (style_mixing, ("--latent_mask=4", "--target_age=10"), "layers 0 to 3"),
        (reference_guided_inference, ("--ref_images_paths_file=none.txt",), "none.txt"),
        (inference, ("--data_path=nowhere",), "nowhere"),
        (inference, ("--target_age=old",), "--target_age old"),
        (inference, ("--checkpoint_path=missing.pdparams",), "missing.pdparams"),
        (inference, ("--device=tpu9",), "--device tpu9"),
    ],
)
def test_mistakes_are_one_line_and_code_2(script, flags, said, light_sam, photos, tmp_path, capsys):
    if flags[0].startswith("--device"):  # the model that is loaded already would hide it
        flags = (*flags, "--checkpoint_path=./" + os.path.relpath(light_sam))
    assert call(script, light_sam, photos, tmp_path / "exp", *flags) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and error.startswith("error: ") and "\n" not in error


def test_nothing_readable_is_code_2(light_sam, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "x.jpg").write_bytes(b"nothing")
    assert call(inference_side_by_side, light_sam, folder, tmp_path / "exp") == 2
    assert "x.jpg" in capsys.readouterr().err


def test_super_resolution_shrinks_the_inputs_first(model, light_sam, photos, tmp_path):
    """pSp's --resize_factors: a folder per factor; pairs show the file, what the network saw, and the result."""
    from work.datasets.degrade import lower_resolution

    flags = ["--resize_factors=8", "--target_age=40", "--couple_outputs", "--resize_outputs"]
    assert call(inference, light_sam, photos / "c.png", tmp_path, *flags) == 0
    low = lower_resolution(read_image(photos / "c.png"), 8)
    low.save(tmp_path / "low.png")
    expected = expected_face(model, tmp_path / "low.png", 40)
    result = cells(tmp_path / "inference_results/downsampling_8/40/c.png")[0][0]
    assert np.abs(result - expected).max() <= 1
    shown = cells(tmp_path / "inference_coupled/downsampling_8/40/c.png")[0]
    assert len(shown) == 3
    assert np.array_equal(shown[0], np.asarray(read_image(photos / "c.png")))
    assert np.abs(shown[1] - np.asarray(low, np.int16)).max() <= 1
    assert np.array_equal(shown[2], result)


def test_inputs_without_a_face_are_named_and_skipped_on_request(
    model, light_sam, photos, tmp_path, fetched, capsys
):
    fetched("mtcnn")
    (photos / "broken.jpg").unlink()
    (photos / "empty.png").unlink()
    crop = Image.open(ROOT / "tests/data/07.jpg").crop((20, 20, 205, 205))
    crop.resize((256, 256)).save(photos / "face.png")
    flags = ("--target_age=70", "--resize_outputs")
    assert call(inference_side_by_side, light_sam, photos, tmp_path / "all", *flags) == 0
    said = capsys.readouterr().err
    assert said.count("no face found in") == 3 and "face.png" not in said
    assert len(list((tmp_path / "all/inference_side_by_side").iterdir())) == 4
    flags += ("--skip_no_face",)
    assert call(inference_side_by_side, light_sam, photos, tmp_path / "some", *flags) == 0
    names = [p.name for p in (tmp_path / "some/inference_side_by_side").iterdir()]
    assert names == ["face.png"]


def test_lines_of_the_list_that_are_no_images_are_left_out_and_named(
    light_sam, photos, tmp_path, capsys
):
    listing = tmp_path / "refs.txt"
    listing.write_text("# references\nphotos/b.jpg\nnotes.txt\n")
    flags = ("--latent_mask=1", "--resize_outputs", "--n_images=1", "--target_age=50")
    flags += (f"--ref_images_paths_file={listing}",)
    assert call(reference_guided_inference, light_sam, photos, tmp_path / "exp", *flags) == 0
    said = capsys.readouterr().err
    assert "left out: # references" in said and "left out: notes.txt" in said
    upper, _ = cells(tmp_path / "exp/reference_guided_inference/50/a.png")
    assert len(upper) == 2
    listing.write_text("notes.txt\n")
    assert call(reference_guided_inference, light_sam, photos, tmp_path / "exp", *flags) == 2
    assert "lists no image" in capsys.readouterr().err
