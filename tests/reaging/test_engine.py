"""The direct network on engines draws what Paddle draws."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest
import skimage.data

from tests.reaging.kit import TinyNet
from work.errors import run
from work.inference.engines import reaging
from work.inference.engines.cache import relative_rms
from work.inference.engines.graph import Graph
from work.loading import load_network
from work.models.checkpoint import save_checkpoint
from work.models.reaging.unet import ReagingNet
from work.scripts import export

SIZE = 64
SIZES = (SIZE, 32)


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A network all of whose weights do something, and its file."""
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "home"))
    net, rng = TinyNet(), np.random.default_rng(0)
    for parameter in net.parameters():
        drawn = rng.standard_normal(parameter.shape).astype(np.float32)
        parameter.set_value(parameter + 0.1 * paddle.to_tensor(drawn))
    net.eval()
    save_checkpoint(tmp_path / "net.pdparams", "reaging", net.state_dict(), None, {})
    return net, tmp_path / "net.pdparams"


@pytest.fixture(scope="module")
def matte():
    return load_network("person_matte")


@pytest.mark.parametrize("engine", ["openvino", "paddle-inference"])
def test_an_engine_is_paddle(engine, net, matte, capsys):
    if engine == "openvino":
        pytest.importorskip("openvino")
    net, file = net
    net_at, persons = reaging.fast_networks(net, matte, file, SIZES, engine, "fp32")
    assert persons is not matte
    rng = np.random.default_rng(1)
    ages = paddle.to_tensor([20.0, 61.0]), paddle.to_tensor([85.0, 15.0])
    with paddle.no_grad():
        for size in SIZES:
            faces = paddle.to_tensor(rng.uniform(-1, 1, (2, 3, size, size)).astype("float32"))
            assert isinstance(net_at(size), Graph)
            found, wanted = net_at(size)(faces, *ages), net(faces, *ages)
            assert relative_rms(found.numpy(), wanted.numpy()) < 1e-5
        photo = skimage.data.astronaut()[None].transpose(0, 3, 1, 2) / 127.5 - 1
        photos = paddle.to_tensor(np.concatenate([photo, photo[..., ::-1]]).astype("float32"))
        assert np.abs(persons(photos).numpy() - matte(photos).numpy()).max() < 1e-4
        capsys.readouterr()
        again, _ = reaging.fast_networks(net, matte, file, SIZES, engine, "fp32")
        assert capsys.readouterr().err == ""  # nothing is built again
        assert np.array_equal(again(size)(faces, *ages).numpy(), found.numpy())  # loaded when asked


def test_a_wrong_graph_is_not_used(net, matte, monkeypatch, capsys):
    net, file = net
    monkeypatch.setattr(reaging, "_distance", lambda *args, **offset: 0.01)
    net_at, persons = reaging.fast_networks(net, matte, file, SIZES, "paddle-inference", "fp32")
    assert [net_at(size) for size in SIZES] == [net, net] and persons is matte
    assert "note: Paddle computes instead of paddle-inference: its" in capsys.readouterr().err


@pytest.mark.parametrize("chosen", ["onnx", "openvino", "paddle"])
def test_it_is_exported(chosen, tmp_path, monkeypatch, capsys):
    pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino", "paddle": "paddle"}[chosen])
    monkeypatch.setattr("work.inference.direct.SIZE", SIZE)
    net = ReagingNet(seed=1)
    net.last.weight.set_value(paddle.randn(net.last.weight.shape))
    weights = {f"reager.{name}": value for name, value in net.state_dict().items()}
    save_checkpoint(tmp_path / "reaging.pdparams", "reaging", weights, None, {})
    flags = [f"--checkpoint_path={tmp_path / 'reaging.pdparams'}", f"--format={chosen}"]
    assert run(lambda: export.main([*flags, f"--out={tmp_path / 'served'}"])) == 0
    assert f"{chosen} reaging: " in capsys.readouterr().out
    about = json.loads((tmp_path / "served" / "export.json").read_text())
    assert about["output_size"] == SIZE and about[chosen]["reaging"] < 1e-4
