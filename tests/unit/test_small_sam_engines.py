"""SAM with the light encoder and the small generator: engines and exports give Paddle's pictures."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from tests.faces.conftest import fetched as fetched
from tests.unit.test_engines import load, picture
from work.configs.project_options import ProjectorOptions
from work.errors import UserError, run
from work.inference.engines.cache import relative_rms
from work.loading import load_network
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.ops.batch_norm import BatchNorm2D
from work.models.psp import PSP
from work.projector import spaces
from work.scripts import export


@pytest.fixture(scope="module")
def small_sam(tmp_path_factory, fetched):
    """A checkpoint with the real generator, drawn encoders, and batch norms that have seen something."""
    fetched("mobile_stylegan")
    paddle.seed(0)
    net, rng = PSP(light=True, mobile=True), np.random.default_rng(0)
    for layer in net.sublayers():
        if isinstance(layer, BatchNorm2D):
            shape = layer._mean.shape
            layer._mean.set_value(rng.normal(0, 0.3, shape).astype("float32"))
            layer._variance.set_value(rng.uniform(0.5, 2, shape).astype("float32"))
    net.encoder.scatter.set_value(rng.normal(0, 0.11, net.encoder.scatter.shape).astype("float32"))
    net.decoder.set_state_dict(load_network("mobile_stylegan").state_dict())
    path = tmp_path_factory.mktemp("small") / "sam.pdparams"
    mean = rng.normal(0, 0.3, (net.n_styles, 512)).astype("float32")
    save_checkpoint(path, "sam", net.state_dict(), mean, {})
    return path


@pytest.fixture(scope="module")
def expected(small_sam):
    """Paddle's own picture and codes of one face."""
    return picture(load(small_sam, engine="paddle"), 1)


@pytest.mark.parametrize("engine", ["openvino", "paddle-inference"])
def test_an_engine_is_paddle(engine, small_sam, expected, tmp_path, monkeypatch):
    if engine == "openvino":
        pytest.importorskip("openvino")
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    model = load(small_sam, engine=engine)
    assert type(model.net.encoder).__name__ == "Graph"
    for found, wanted in zip(picture(model, 1), expected):
        assert wanted.std() > 0.01 and relative_rms(found, wanted) < 1e-4
    assert model.random_codes(1).shape == [1, model.n_styles, 512]


def test_it_is_exported(small_sam, tmp_path):
    pytest.importorskip("onnxruntime")
    flags = [f"--checkpoint_path={small_sam}", "--format=onnx", f"--out={tmp_path / 'served'}"]
    assert run(lambda: export.main(flags)) == 0
    about = json.loads((tmp_path / "served" / "export.json").read_text())
    assert about["n_styles"] == 23 and set(about["onnx"]) == {"start", "encoder", "generator"}
    assert max(about["onnx"].values()) < 1e-4


@pytest.mark.parametrize("known", [True, False])
def test_one_file_of_half_the_size_draws_the_same(
    known, small_sam, expected, tmp_path, capsys, monkeypatch
):
    if not known:  # another generator goes into the file, the known one does not
        saved = read_checkpoint(small_sam)
        state = dict(saved.state_dict)
        state["decoder.const"] = state["decoder.const"] * 1.5
        small_sam = tmp_path / "sam.pdparams"
        save_checkpoint(small_sam, "sam", state, saved.latent_avg, {})
    flags = [f"--checkpoint_path={small_sam}", "--format=half", f"--out={tmp_path}"]
    assert run(lambda: export.main(flags)) == 0
    half = tmp_path / "sam_half.pdparams"
    assert str(half) in capsys.readouterr().out
    state = read_checkpoint(small_sam).state_dict
    kept = [name for name in state if not (known and name.startswith("decoder."))]
    assert set(read_checkpoint(half).state_dict) == set(kept)
    assert 1 < half.stat().st_size / sum(2 * state[name].size for name in kept) < 1.05
    before = expected if known else picture(load(small_sam, engine="paddle"), 1)
    for found, wanted in zip(picture(load(half, engine="paddle"), 1), before):
        assert relative_rms(found, wanted) < 1e-2
    if known:  # it lacks the generator, so that one need not be fetched
        monkeypatch.setattr("work.inference.export.open_known", None)
        assert run(lambda: export.main([f"--checkpoint_path={half}", *flags[1:]])) == 0
        again = read_checkpoint(tmp_path / "sam_half_half.pdparams").state_dict
        assert all(np.array_equal(again[name], state[name].astype(np.float16)) for name in kept)


def test_the_projector_names_the_generator_that_it_has(small_sam):
    with pytest.raises(UserError, match="leave --ckpt out"):
        spaces.load_space(ProjectorOptions(ckpt=str(small_sam)), "generator")
