"""Folders of results hold what a user of the official scripts expects to find."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.unit.toy_ager import Brightener
from work.configs.options import TestOptions
from work.datasets.images import save_image
from work.inference.grids import age_folder


@pytest.fixture
def many(tmp_path):
    """101 flat pictures, 000.png to 100.png."""
    for i in range(101):
        save_image(Image.new("RGB", (32, 32), (2 * i, 0, 0)), tmp_path / f"many/{i:03d}.png")
    return tmp_path / "many"


def run_brightener(folder, out, knows_age=True, **typed):
    model = Brightener()
    model.knows_age = knows_age
    options = TestOptions(
        data_path=str(folder),
        exp_dir=str(out),
        resize_outputs=True,
        typed=frozenset(typed),
        **typed,
    )
    assert age_folder(model, options) == 0
    return out / "inference_results", out / "inference_coupled"


def below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def test_every_hundredth_face_has_its_pair_as_in_the_official_code(many, tmp_path):
    results, pairs = run_brightener(many, tmp_path / "out", target_age="20,60")
    assert len(below(results)) == 202
    assert below(pairs) == ["20/000.png", "20/100.png", "60/000.png", "60/100.png"]


def test_a_psp_without_target_ages_writes_one_picture_per_face(many, tmp_path):
    results, pairs = run_brightener(many, tmp_path / "out", knows_age=False, n_images=2)
    assert below(results) == ["000.png", "001.png"] and below(pairs) == ["000.png"]
    results, _ = run_brightener(many, tmp_path / "ages", False, n_images=1, target_age="20,60")
    assert below(results) == ["20/000.png", "60/000.png"]


def test_pictures_of_one_name_and_two_formats_keep_their_names(tmp_path):
    for name in ("a.jpg", "a.png", "b.gif", "b.png"):
        picture = Image.new("RGB", (32, 32), "red")
        (tmp_path / "in").mkdir(exist_ok=True)
        picture.save(tmp_path / "in" / name)
    results, _ = run_brightener(tmp_path / "in", tmp_path / "out", target_age="20")
    assert below(results) == ["20/a.jpg", "20/a.png", "20/b_gif.png", "20/b_png.png"]
