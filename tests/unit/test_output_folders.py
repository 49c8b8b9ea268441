"""What cannot be written is said before anything is loaded or computed."""

from __future__ import annotations

import importlib
import os

import pytest
from PIL import Image

from work import files
from work.errors import run

COMMANDS = {
    "age_photo": "{photo} {out}/a.jpg --target_age=70",
    "age_photo of a folder": "{photos} {out} --target_age=70",
    "lifespan_video": "{photo} {out}/a.mp4",
    "project": "{photo} --output={out}",
    "align_all_parallel": "--root_path={photos} --out_path={out}",
    "prepare_data": "--data_path={photos} --out_path={out}",
    "calc_losses_on_images": "--data_path={photos} --gt_path={photos} --out_path={out}",
}
LOADERS = (
    "work.inference.photos.load_model",
    "work.inference.films.load_model",
    "work.projector.files.load_space",
    "work.faces.align_folder.run_parallel",
    "work.datasets.prepare.read_image",
    "work.metrics.losses.measure",
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A photo, its folder, and an output folder that cannot be made."""

    def too_early(*_, **__):
        raise AssertionError("this takes minutes")

    for loader in LOADERS:
        monkeypatch.setattr(loader, too_early)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "file").touch()
    photos = tmp_path / "photos"
    return {"photo": photos / "a.png", "photos": photos, "out": tmp_path / "file" / "out"}


def call(name, places):
    script = importlib.import_module(f"work.scripts.{name.partition(' ')[0]}")
    return run(lambda: script.main(COMMANDS[name].format(**places).split()))


@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_folder_that_cannot_be_made_is_named_first(name, places, capsys):
    assert call(name, places) == 2
    out = places["out"].relative_to(places["photos"].parent)
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write to ") and error.endswith(
        f"{out}: {os.strerror(20)}\n"
    )


def test_photos_that_will_not_fit_are_not_begun(places, monkeypatch, capsys):
    usage = type("Usage", (), {"free": 0})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda place: usage)
    assert call("age_photo", {**places, "out": places["photos"]}) == 2
    assert "0 MB are free" in capsys.readouterr().err
