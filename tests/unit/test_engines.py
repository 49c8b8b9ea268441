"""Engines give Paddle's pictures, are built once, and are never used when they are wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import paddle
import pytest

from work.configs.options import TestOptions
from work.datasets.transforms import to_picture
from work.faces.aligned import AlignedFace
from work.inference.engines import cache, openvino_engine, paddle_engine
from work.inference.engines import sam as sam_on_engines
from work.inference.engines.cache import relative_rms
from work.inference.engines.engine import EngineUnavailable, NotInstalled
from work.inference.load import begin_early
from work.inference.sam import load_sam
from work.loading import load_psp, open_model
from work.models.checkpoint import read_checkpoint


@pytest.fixture
def home(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "engine_home"
    monkeypatch.setenv("PADDLE_SAM_HOME", str(folder))
    return folder


def picture(model, count=2):
    """What a SAM draws of one or two faces, and their codes."""
    faces = np.linspace(-1, 1, 2 * 3 * 256 * 256, dtype="float32").reshape(2, 3, 256, 256)[:count]
    encoded = model.encode([AlignedFace(to_picture(face)) for face in faces])
    codes = model.codes(encoded, paddle.to_tensor([20.0, 80.0][:count]))
    return model.render(codes).numpy(), codes.numpy()


@pytest.fixture(scope="module")
def expected(tiny_sam):
    """Paddle's own."""
    return picture(load(tiny_sam, engine="paddle"))


def load(path, **options):
    return load_sam(open_model(path), TestOptions(**options), path)


def use_only(engine, monkeypatch):
    """As if no other engine were installed."""
    for module in sam_on_engines.ENGINES:
        if module.NAME != engine:
            reason = NotInstalled(f"{module.NAME} is not installed")
            monkeypatch.setattr(module, "version", Mock(side_effect=reason))


@pytest.mark.parametrize("engine", ["openvino", "paddle-inference"])
def test_an_engine_is_paddle(engine, tiny_sam, expected, home, monkeypatch, capsys):
    if engine == "openvino":
        pytest.importorskip("openvino")
    capsys.readouterr()
    model = load(tiny_sam, engine=engine)
    assert type(model.net.encoder).__name__ == "Graph"
    for found, wanted in zip(picture(model), expected):
        assert relative_rms(found, wanted) < 1e-4
    (checks,) = home.glob(f"engines/*/{engine}.*/checks.json")
    assert len(json.loads(checks.read_text())) == 3
    # The second time nothing is built or compared, and "auto" takes the first that is installed.
    monkeypatch.setattr(sam_on_engines, "_check", None)
    monkeypatch.setattr("work.inference.engines.sam_graph.encoder", None)
    use_only(engine, monkeypatch)
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith("building graphs: ") for line in said) and "3/3 stage in" in said[-1]
    again = load(tiny_sam)
    assert type(again.net.encoder).__name__ == "Graph"
    assert relative_rms(picture(again, 1)[0], expected[0][:1]) < 1e-4
    assert again.random_codes(1).shape == [1, 4, 512]
    assert capsys.readouterr().err == ""


def test_a_wrong_graph_is_not_used(light_sam, home, monkeypatch, capsys):
    real = paddle_engine.load

    def wrong(*args):
        run = real(*args)
        return lambda x: run(x) * 1.01

    monkeypatch.setattr(paddle_engine, "load", wrong)
    model = load(light_sam, engine="paddle-inference")
    assert type(model.net.encoder).__name__ != "Graph"
    assert "note: Paddle computes instead of paddle-inference: its" in capsys.readouterr().err


def test_a_graph_that_remembers_fails_the_check(light_sam, tmp_path):
    """With a constant kept from its first input a graph is right once; Paddle 3.3 does this to computed weights."""
    net = load_psp(read_checkpoint(light_sam), TestOptions(), "light")

    def remembers(x, kept=[]):  # noqa: B006
        kept.append(net.decode(paddle.to_tensor(x)).numpy())
        return kept[0]

    checks = cache.Checks(tmp_path, "1")
    sam_on_engines._check(checks, {"decoder": remembers}, {"decoder": (1, 4, 512)}, "fp32", net)
    with pytest.raises(EngineUnavailable, match="decoder"):
        checks.require({"decoder": "fp32"})


@pytest.mark.parametrize(("choice", "says"), [("auto", False), ("openvino", True)])
def test_without_engines_paddle_computes(light_sam, monkeypatch, capsys, choice, says):
    use_only("paddle", monkeypatch)
    assert type(load(light_sam, engine=choice).net.encoder).__name__ != "Graph"
    assert ("openvino is not installed" in capsys.readouterr().err) == says


def test_half_precision_where_an_engine_has_none(tiny_sam, home, monkeypatch, capsys):
    use_only("paddle-inference", monkeypatch)
    assert type(load(tiny_sam, precision="bf16").net.encoder).__name__ == "Graph"
    assert "note: paddle-inference computes in fp32\n" in capsys.readouterr().err


def test_a_changed_checkpoint_has_another_hash(tmp_path, home):
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"one")
    first = cache.file_hash(path)
    assert cache.file_hash(path) == first
    path.write_bytes(b"other")
    assert cache.file_hash(path) != first


def test_the_cache_keeps_what_was_used_last(tmp_path, home, monkeypatch):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "home"))
    folders = []
    for i in (0, 1, 2, 0, 3):
        path = tmp_path / f"{i}.pdparams"
        path.write_text(str(i))
        folder = cache.folder_for(path, "openvino")
        folder.mkdir(exist_ok=True)
        os.utime(folder.parent, (len(folders), len(folders)))
        folders.append(folder)
    assert [folder.is_dir() for folder in folders] == [True, False, True, True, True]


def test_nan_is_infinitely_wrong():
    assert relative_rms(np.array([np.nan]), np.ones(1)) == float("inf")


def test_graphs_begin_to_load_before_they_are_asked_for(tiny_sam, home, monkeypatch):
    pytest.importorskip("openvino")
    before = picture(load(tiny_sam, engine="openvino"), 1)[0]
    options = {"checkpoint_path": str(tiny_sam), "engine": "openvino"}
    begin_early(TestOptions(device="cpu", **options))
    assert len(openvino_engine._begun) == 3
    monkeypatch.setattr(openvino_engine, "_compile", None)  # everything has begun already
    found = picture(load(tiny_sam, engine="openvino"), 1)[0]
    assert not openvino_engine._begun
    assert np.array_equal(found, before)


@pytest.mark.parametrize("reason", ["engine", "device", "driver", "unknown file"])
def test_graphs_that_will_not_be_used_are_not_loaded(tiny_sam, home, monkeypatch, tmp_path, reason):
    options = {"checkpoint_path": str(tiny_sam), "device": "auto"}
    load(tiny_sam)
    monkeypatch.setattr("work.inference.load.NVIDIA_DRIVER", str(tmp_path / "none"))
    begin = Mock()
    monkeypatch.setattr("work.inference.engines.openvino_engine.begin", begin)
    if cache.checked_folder(tiny_sam, "openvino"):  # it is installed
        begin_early(TestOptions(**options))
        begin.assert_called_once()
        begin.reset_mock()
    if reason == "driver":
        monkeypatch.setattr("work.inference.load.NVIDIA_DRIVER", str(tmp_path))
    unlike = {
        "engine": {"engine": "paddle"},
        "device": {"device": "gpu"},
        "driver": {},
        "unknown file": {"checkpoint_path": str(tmp_path / "other.pdparams")},
    }
    begin_early(TestOptions(**{**options, **unlike[reason]}))
    begin.assert_not_called()


def test_noise_is_not_kept_as_large_as_feature_maps(light_sam, tmp_path, monkeypatch):
    """OpenVINO adds constants that follow each other, and kept 400 MB of sums of biases and noise at 1024 px."""
    pytest.importorskip("openvino")
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    load(light_sam, engine="openvino")
    blobs = list(tmp_path.glob("engines/*/openvino.*/compiled/*.blob"))
    # Graphs alone take up to 0.2 MB here, such sums would take 0.3 MB more.
    assert len(blobs) == 3 and max(blob.stat().st_size for blob in blobs) < 3e5


def test_before_paddle_is_imported_and_without_telemetry():
    """OpenVINO's import tells Google Analytics, in a process of its own."""
    pytest.importorskip("openvino")
    code = """import sys
from work.inference import load
load.openvino_engine.version()
assert "openvino" in sys.modules and "paddle" not in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]"""
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
