"""The small generator on OpenVINO: the same pictures and the same gradients as Paddle's."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from work.inference.engines import openvino_engine
from work.inference.engines.cache import Checks
from work.inference.engines.engine import NotInstalled
from work.inference.engines.mobile import EngineGenerator, fast_generator
from work.loading import load_network
from work.models.mobile_stylegan import MobileStyleGAN

pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def net() -> MobileStyleGAN:
    return load_network("mobile_stylegan").freeze()


def engine_in(net, precision: str) -> EngineGenerator:
    """The generator whose drafts are in a precision, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_engine, "quickest", lambda: precision)
        found = fast_generator(net, "openvino", "fp32")
    assert isinstance(found, EngineGenerator)
    return found


@pytest.fixture(scope="module")
def engine(net) -> EngineGenerator:
    return engine_in(net, "fp32")


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
    found, expected = gradient(engine, codes, way, weight), gradient(net, codes, way, weight)
    assert np.linalg.norm(found - expected) < 5e-3 * np.linalg.norm(expected)


def test_drafts_in_bf16_point_the_same_way_and_what_is_shown_is_exact(net, engine, codes):
    if openvino_engine.quickest() != "bf16":
        pytest.skip("this CPU has no bf16")
    drafts, weight = engine_in(net, "bf16"), paddle.linspace(-1, 1, 256)
    found, expected = (gradient(g, codes, "preview", weight) for g in (drafts, net))
    assert 0 < np.linalg.norm(found - expected) < 0.15 * np.linalg.norm(expected)
    np.testing.assert_array_equal(drafts(codes[:1]).numpy(), engine(codes[:1]).numpy())


def gradient(generator, codes, way: str, weight) -> np.ndarray:
    w_plus = codes[:1].clone()
    w_plus.stop_gradient = False
    image = generator(w_plus, half=True) if way == "half" else generator.preview(w_plus)
    return paddle.grad([(image * weight).mean()], [w_plus])[0].numpy()


def test_without_openvino_paddle_draws_and_one_line_says_so(net, monkeypatch, capsys):
    def missing() -> str:
        raise NotInstalled("openvino is not installed")

    monkeypatch.setattr(openvino_engine, "version", missing)
    assert fast_generator(net, "auto", "fp32") is net
    assert capsys.readouterr().err == ""
    assert fast_generator(net, "openvino", "fp32") is net
    assert "Paddle computes instead of openvino: openvino is not" in capsys.readouterr().err
    assert fast_generator(net, "auto", "bf16") is net
    assert capsys.readouterr().err == "note: Paddle draws in fp32; bf16 needs OpenVINO\n"


def test_an_engine_without_this_generator_is_named(net, capsys):
    assert fast_generator(net, "paddle-inference", "fp32") is net
    assert "Paddle computes instead of paddle-inference" in capsys.readouterr().err


def test_a_graph_that_draws_something_else_is_not_used(net, monkeypatch, capsys):
    real = openvino_engine.load
    monkeypatch.setattr(openvino_engine, "load", lambda *a: lambda *x: real(*a)(*x) * 1.02)
    monkeypatch.setattr(openvino_engine, "version", lambda: "another version")
    # Measured anew, although an earlier run of this test has left its own numbers.
    monkeypatch.setattr(Checks, "missing", lambda *_: True)
    with paddle.no_grad():  # as where a grid's first child needs it
        assert fast_generator(net, "openvino", "fp32") is net
    assert "off Paddle's" in capsys.readouterr().err
