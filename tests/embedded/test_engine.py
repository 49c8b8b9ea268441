"""The small generator on OpenVINO: the same pictures and the same gradients as Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.embedded import frozen
from work.inference.engines import mobile_engine, openvino_engine
from work.inference.engines.engine import EngineUnavailable
from work.inference.engines.mobile_engine import EngineGenerator, fast_generator
from work.models.mobile_stylegan import MobileStyleGAN

pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def net() -> MobileStyleGAN:
    return frozen(MobileStyleGAN(), "mobile_stylegan").freeze()


@pytest.fixture(scope="module")
def engine(net) -> EngineGenerator:
    found = fast_generator(net, "openvino", "fp32")
    assert isinstance(found, EngineGenerator)
    return found


@pytest.fixture(scope="module")
def codes(net) -> paddle.Tensor:
    paddle.seed(3)
    with paddle.no_grad():
        return net.map(paddle.randn([46, 512])).reshape([2, 23, 512])


def test_a_batch_is_drawn_as_paddle_draws_it(net, engine, codes):
    with paddle.no_grad():
        for half in (True, False):
            expected = net(codes, half=half).numpy()
            np.testing.assert_allclose(engine(codes, half=half).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("way", ["half", "preview"])
def test_gradients_equal_those_of_paddle(net, engine, codes, way):
    weight = paddle.linspace(-1, 1, 512 if way == "half" else 256)
    found = []
    for generator in (engine, net):
        w_plus = codes[:1].clone()
        w_plus.stop_gradient = False
        image = generator(w_plus, half=True) if way == "half" else generator.preview(w_plus)
        (gradient,) = paddle.grad([(image * weight).mean()], [w_plus])
        found.append(gradient.numpy())
    assert np.linalg.norm(found[0] - found[1]) < 5e-3 * np.linalg.norm(found[1])


def test_without_openvino_paddle_draws_and_one_line_says_so(net, monkeypatch, capsys):
    def missing() -> str:
        raise EngineUnavailable("openvino is not installed")

    monkeypatch.setattr(openvino_engine, "version", missing)
    assert fast_generator(net, "auto", "fp32") is net
    assert capsys.readouterr().err == ""
    assert fast_generator(net, "openvino", "fp32") is net
    assert "Paddle computes instead of OpenVINO" in capsys.readouterr().err


def test_a_graph_that_draws_something_else_is_not_used(net, monkeypatch, capsys):
    real = openvino_engine.load
    monkeypatch.setattr(openvino_engine, "load", lambda *a: lambda *x: real(*a)(*x) * 1.02)
    monkeypatch.setattr(mobile_engine.openvino_engine, "version", lambda: "another version")
    assert fast_generator(net, "openvino", "fp32") is net
    assert "off Paddle's" in capsys.readouterr().err
