"""IR-SE50, CurricularFace, DEX and LPIPS against the official outputs."""

import numpy as np
import paddle
import pytest

from tests.parity.conftest import error, fill, load
from work.criteria.lpips import LPIPS
from work.models.dex_vgg import DexVGG, expected_age
from work.models.encoders.arcface import IRSE50, CurricularFaceIR101


@pytest.mark.parametrize(
    ("network", "manifest", "kind", "name"),
    [
        (IRSE50, "model_ir_se50", "ir_se50", "ir_se50"),
        (CurricularFaceIR101, "curricularface_backbone", "curricularface", "curricularface"),
    ],
)
@paddle.no_grad()
def test_identity(golden, network, manifest, kind, name):
    data = golden("identity")
    found = load(network(), fill(manifest, kind))(paddle.to_tensor(data["x"]))
    assert error(found, data[name]) < 1e-4
    np.testing.assert_allclose(np.linalg.norm(found.numpy(), axis=1), 1, atol=1e-5)


@paddle.no_grad()
def test_dex_age(golden):
    data = golden("dex_age")
    network = load(DexVGG(), fill("dex_age_classifier", "dex_vgg"))
    logits = network(paddle.to_tensor(data["x"]))
    assert error(logits, data["logits"]) < 1e-4
    assert error(expected_age(logits), data["age"]) < 1e-4
    assert error(network.predict_age(paddle.to_tensor(data["x"])), data["age"]) < 1e-4


@pytest.fixture(scope="module", params=[("alex", "alexnet"), ("vgg", "vgg16")])
def lpips(request):
    net, backbone = request.param
    state = {f"net.{name}": array for name, array in fill(backbone, backbone).items()}
    return net, load(LPIPS(net), {**state, **fill(f"lpips_lin_{net}", f"lpips_{net}")})


@paddle.no_grad()
def test_lpips(golden, lpips):
    net, distance = lpips
    data = golden("lpips")
    x, y = paddle.to_tensor(data["x"]), paddle.to_tensor(data["y"])
    found = distance(x, y)
    assert error(found.mean(), data[net]) < 1e-4
    if net == "alex":
        assert error(found, data["alex_each"]) < 1e-4
    assert error(distance(y, x), found.numpy()) < 1e-5
    assert float(distance(x, x).max()) == 0


def test_lpips_gradient_at_equal_and_flat_images_is_finite(lpips):
    for parameter in lpips[1].parameters():
        parameter.stop_gradient = True
    x = paddle.zeros([1, 3, 64, 64])
    x.stop_gradient = False
    grad = paddle.grad(lpips[1](x, paddle.zeros_like(x)).sum(), x)[0]
    assert np.isfinite(grad.numpy()).all()


def test_lpips_knows_two_nets():
    with pytest.raises(ValueError, match="squeeze"):
        LPIPS("squeeze")
