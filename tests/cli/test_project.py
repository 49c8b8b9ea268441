"""project.py on real files, as a user calls it."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from PIL import Image

from tests.unit.test_film import decoded
from work.configs.project_options import ProjectorOptions
from work.datasets.images import save_image
from work.datasets.transforms import to_picture
from work.errors import run
from work.faces.align import ffhq_quad
from work.faces.aligned import AlignedFace
from work.loading import load_lpips
from work.models.checkpoint import read_checkpoint
from work.projector import files as project_files
from work.projector import spaces
from work.projector.projector import Projector
from work.projector.projector import run as run_projections
from work.scripts import project


@pytest.fixture(autouse=True)
def load_once(light_model, monkeypatch, light_sam):
    """The script gets the model that is loaded already."""
    real = spaces.load_space

    def load(options, blend="generator"):
        tiny = options.ckpt == str(light_sam)
        space = spaces.StyleGAN2Space(light_model.net.decoder, light_model)
        return space if tiny else real(options, blend)

    monkeypatch.setattr(project_files, "load_space", load)


def projected(light_sam, out, *words) -> int:
    flags = [f"--ckpt={light_sam}", f"--output={out}", "--lpips_net=alex", "--no_crop"]
    return run(lambda: project.main([*map(str, words), *flags]))


def test_project_writes_its_results(
    light_model, light_sam, photos, tmp_path, fetched, capsys, monkeypatch
):
    fetched("lpips_alex")
    monkeypatch.setattr(project_files, "FRAME_SIZE", 64)
    Image.new("L", (64, 64), 255).save(photos / "a.mask.png")
    out, words = tmp_path / "out", (photos / "a.png", photos / "c.png", "--batch_size=2")
    flags = ("--step=5", "--save_mp4", "--target_age=20,80", "--optimize_noise", "--save_every=2")
    stored = [x.numpy() for x in light_model.net.decoder.noises.maps()]
    assert projected(light_sam, out, *words, *flags) == 0
    assert "a.png: LPIPS" in capsys.readouterr().out
    for name in ("a", "c"):
        found = read_checkpoint(out / f"{name}.pd")
        losses, numbers = found.state_dict["losses"], found.opts
        assert found.kind == "projection" and losses[-3:].sum() < losses[:3].sum()
        assert losses[numbers["step"]].sum() == losses.sum(axis=1).min() < losses[0].sum()
        np.testing.assert_allclose([numbers["lpips"], numbers["mse"]], losses[numbers["step"]])
        assert losses.shape == (6, 2)
        w_plus = paddle.to_tensor(found.state_dict["w_plus"][None])
        maps = [paddle.to_tensor(found.state_dict[f"noise_{i}"]) for i in range(3)]
        with paddle.no_grad():
            image = to_picture(light_model.net.decoder.synthesis(w_plus, maps)[0].numpy())
        shown = np.asarray(Image.open(out / f"{name}-project.png"), int)
        assert np.abs(shown - np.asarray(image, int)).max() <= 1
        young, old = (
            np.asarray(Image.open(out / f"{name}-project_{a}.png"), int) for a in (20, 80)
        )
        assert np.abs(young - old).max() > 3
        assert len(decoded(out / f"{name}-project.mp4", (128, 64))) == 150
    for x, before in zip(light_model.net.decoder.noises.maps(), stored):
        assert (x.numpy() == before).all()  # the noise was only lent
    again = (out / "a.pd").stat().st_mtime_ns
    assert projected(light_sam, out, *words, *flags, "--no-save_mp4") == 0
    assert "resumes at step 5" in capsys.readouterr().out
    assert (out / "a.pd").stat().st_mtime_ns > again
    assert projected(light_sam, out, photos / "a.png", "--step=6", "--mse_weight=2") == 0
    assert "starting again" in capsys.readouterr().out


def test_an_interrupted_projection_goes_on(
    light_sam, photos, tmp_path, fetched, monkeypatch, capsys
):
    fetched("lpips_alex")
    words = (photos / "c.png", "--step=6", "--save_every=2")
    assert projected(light_sam, tmp_path / "whole", *words) == 0
    advance, count = Projector.advance, []

    def stops(self, batch):
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt
        return advance(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Projector, "advance", stops)
        assert projected(light_sam, tmp_path / "halves", *words) == 130
    assert not (tmp_path / "halves/c.pd").exists()
    assert projected(light_sam, tmp_path / "halves", *words) == 0
    assert "resumes at step 2" in capsys.readouterr().out
    whole, halves = (read_checkpoint(tmp_path / n / "c.pd").state_dict for n in ("whole", "halves"))
    assert (whole["w_plus"] == halves["w_plus"]).all()
    assert (whole["losses"] == halves["losses"]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which photos?"),
        (("nowhere.jpg",), "nowhere.jpg"),
        (("a.png", "sub/a.jpg"), "have one name"),
        (("a.png", "--latent_level=4"), "layers 0 to 3"),
        (("a.png", "--ckpt=missing.pdparams"), "missing.pdparams"),
        (("a.png", "--target_age=200"), "--target_age 200"),
        (("a.png", "--seed=-1"), "--seed lies"),
    ],
)
def test_project_names_mistakes_in_one_line(
    words, said, photos, tmp_path, capsys, monkeypatch, light_sam
):
    if "--latent_level=4" in words:  # the model that is loaded already would hide it
        monkeypatch.setattr(project_files, "load_space", spaces.load_space)
    monkeypatch.chdir(photos)
    (photos / "sub").mkdir()
    save_image(Image.new("RGB", (64, 64)), photos / "sub/a.jpg")
    argv = [f"--ckpt={light_sam}", "--no_crop", f"--output={tmp_path / 'out'}", *words]
    assert run(lambda: project.main(argv)) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and error.startswith("error: ") and "\n" not in error


def test_bad_masks_are_failures_not_ends(light_sam, photos, tmp_path, capsys, fetched):
    fetched("lpips_alex")
    Image.new("L", (64, 64), 0).save(photos / "a.mask.png")
    Image.new("L", (64, 64), 255).save(photos / "c.mask.png")
    words = (photos / "a.png", photos / "b.jpg", photos / "c.png", "--step=1")
    assert projected(light_sam, tmp_path / "out", *words) == 1
    error = capsys.readouterr().err
    assert "a.mask.png: black" in error and "c.mask.png: (64, 64) px" in error
    assert (tmp_path / "out/b.pd").is_file() and not (tmp_path / "out/a.pd").exists()


def test_the_embedded_generator_beats_its_start(portraits, detector, fetched):
    for name in ("mobile_stylegan", "lpips_alex", "dlib_face", "age_v1"):
        fetched(name)
    quads = [ffhq_quad(detector(photo).landmarks[0]) for photo in portraits[:1]]
    faces = [AlignedFace(photo, quad).tensor() for photo, quad in zip(portraits, quads)]
    options = ProjectorOptions(step=4, lpips_net="alex")
    embedded = Projector(spaces.load_space(options), load_lpips("alex"), options)
    found = run_projections(embedded, embedded.start(paddle.concat(faces)))
    assert len(found) == 1
    for projection in found:
        best = int(np.argmin(projection.totals))
        assert projection.losses[best][0] < 0.95 * projection.losses[0][0]
        assert np.mean(projection.totals[3:]) < np.mean(projection.totals[:2])


def test_only_stylegan2_has_noise_to_optimise(capsys, photos, tmp_path, fetched):
    for name in ("mobile_stylegan", "lpips_alex"):
        fetched(name)
    words = [str(photos / "a.png"), "--no_crop", f"--output={tmp_path}", "--optimize_noise"]
    assert run(lambda: project.main(words)) == 2
    assert "--optimize_noise is for StyleGAN2" in capsys.readouterr().err
