"""pSp's encoder without a pyramid: all styles from the last features."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from convert_weights import architectures as arch
from work.configs.options import ModelOptions
from work.errors import UserError
from work.inference.engines.engine import EngineUnavailable
from work.loading import load_psp
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.models.encoders.psp_encoders import BackboneEncoderUsingLastLayerIntoWPlus
from work.models.psp import PSP


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A pSp of 8 px with random weights, saved; and the network."""
    paddle.seed(0)
    net = PSP(8, 3, True, False, last_features=True)
    net.latent_avg.set_value(paddle.randn([4, 512]))
    net.eval()
    path = tmp_path_factory.mktemp("psp") / "psp.pdparams"
    save_checkpoint(path, "psp", net.state_dict(), net.latent_avg)
    return path, net


def test_names_and_shapes_are_the_official_ones():
    encoder = BackboneEncoderUsingLastLayerIntoWPlus(n_styles=4)
    wanted = dict(arch.w_plus_encoder(3, 4))
    ours = {name.replace("_mean", "running_mean") for name in encoder.state_dict()}
    ours = {
        name.replace("_variance", "running_var").replace("._weight", ".weight") for name in ours
    }
    assert ours == {name for name in wanted if not name.endswith("num_batches_tracked")}


def test_codes_are_those_of_the_formula():
    paddle.seed(1)
    encoder = BackboneEncoderUsingLastLayerIntoWPlus(n_styles=4)
    encoder.eval()
    faces = paddle.randn([2, 3, 256, 256])
    x = encoder.input_layer(faces)
    for block in encoder.body:
        x = block(x)
    features = x.numpy().astype(np.float64)  # [2, 512, 16, 16]
    state = {name: value.numpy().astype(np.float64) for name, value in encoder.state_dict().items()}
    mean, variance = (state[f"output_layer_2.0.{n}"][:, None, None] for n in ("_mean", "_variance"))
    features = (features - mean) / np.sqrt(variance + 1e-5)
    cells = [(i * 16 // 7, -(-(i + 1) * 16 // 7)) for i in range(7)]  # adaptive pooling
    pooled = [[features[:, :, a:b, c:d].mean((2, 3)) for c, d in cells] for a, b in cells]
    flat = np.array(pooled).transpose(2, 3, 0, 1).reshape(2, -1)
    hidden = flat @ state["output_layer_2.3.weight"] + state["output_layer_2.3.bias"]
    codes = hidden @ state["linear.weight"] / np.sqrt(512) + state["linear.bias"]
    found = encoder(faces).numpy()
    assert found.shape == (2, 4, 512)
    assert np.abs(found - codes.reshape(2, 4, 512)).max() < 1e-4 * np.abs(codes).max()


def test_a_checkpoint_of_it_loads(checkpoint):
    path, net = checkpoint
    loaded = load_psp(read_checkpoint(path), ModelOptions(), path)
    faces = paddle.randn([1, 3, 256, 256])
    assert not loaded.has_graphs and not loaded.learn_in_w and loaded.start_from_latent_avg
    assert np.array_equal(loaded.encode(faces).numpy(), net.encode(faces).numpy())


def test_engines_and_export_say_that_they_have_no_such_graph(checkpoint, tmp_path):
    from work.configs.options import TestOptions
    from work.inference.engines.sam import _on_engine
    from work.inference.export_parts import sam_parts

    path, net = checkpoint
    from work.inference.engines import openvino_engine

    with pytest.raises(EngineUnavailable, match="feature pyramid"):
        _on_engine(read_checkpoint(path), TestOptions(), path, openvino_engine)
    with pytest.raises(UserError, match="feature pyramid"):
        sam_parts(net, {})
