"""What cannot be written is said before anything is loaded or computed."""

from __future__ import annotations

import importlib
import os

import pytest
from PIL import Image

from tests.unit.toy_ager import Brightener
from work import files
from work.configs.options import TestOptions
from work.errors import UserError, run
from work.inference.grid_run import GridRun

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
    leave_free(0, monkeypatch)
    assert call("age_photo", {**places, "out": places["photos"]}) == 2
    assert "0 kB are free" in capsys.readouterr().err


def test_grids_that_will_not_fit_are_not_begun(places, monkeypatch):
    leave_free(100_000, monkeypatch)
    options = TestOptions(data_path=str(places["photos"]), exp_dir=str(places["photos"] / "out"))
    with pytest.raises(UserError, match="100 kB are free, about 262 kB are needed"):
        GridRun(Brightener(), options, draws=2)  # two cells of 1024 px


def leave_free(size: int, monkeypatch) -> None:
    """Pretend that so many bytes are free on every disk."""
    usage = type("Usage", (), {"free": size})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda place: usage)
