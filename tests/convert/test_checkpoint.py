"""work/models/checkpoint.py: every layout in, whole networks only."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest
import weights

from convert_weights import convert
from convert_weights.torch_writer import write_torch
from tests.convert.helpers import FILES, lpips_alex, manifest, stylegan2_8, write_lpips
from work.errors import UserError
from work.models.checkpoint import load_state, read_checkpoint, save_checkpoint

PORT = Path(__file__).parents[1] / "golden" / "manifests" / "paddle_sam"


class Heads(paddle.nn.Layer):
    """The names and shapes of the LPIPS heads."""

    def __init__(self, widths=(64, 192, 384, 256, 256)):
        super().__init__()
        self.lin = paddle.nn.LayerList([paddle.nn.Conv2D(w, 1, 1, bias_attr=False) for w in widths])
        self.register_buffer("scale", paddle.ones([3]), persistable=False)


def numbers(layer):
    return {name: value.numpy() for name, value in layer.state_dict().items()}


def heads_are_golden(path):
    checkpoint, layer = read_checkpoint(path), Heads()
    assert (
        checkpoint.kind == "lpips_alex" and checkpoint.latent_avg is None and checkpoint.opts == {}
    )
    load_state(layer, checkpoint.state_dict, path)
    for name, value in lpips_alex().items():
        assert np.array_equal(layer.state_dict()[f"lin.{name[3]}.weight"].numpy(), value)


def test_pytorch_file_converted_file_and_flat_keys(tmp_path):
    source = write_lpips(tmp_path / "alex.pt")
    heads_are_golden(source)
    convert.convert(source, tmp_path / "a.pdparams")
    heads_are_golden(tmp_path / "a.pdparams")
    flat = {f"lin.{name[3]}.weight": value for name, value in lpips_alex().items()}
    (tmp_path / "flat.pdparams").write_bytes(pickle.dumps(flat, 4))
    heads_are_golden(tmp_path / "flat.pdparams")
    paddle.save({k: paddle.to_tensor(v) for k, v in flat.items()}, str(tmp_path / "saved.pdparams"))
    heads_are_golden(tmp_path / "saved.pdparams")


def test_transposed_weights_of_a_pytorch_file(tmp_path):
    """Read on the way in: turned to [in, out], and laid out as a network wants them."""
    state = stylegan2_8()
    write_torch(tmp_path / "g.pt", {"g_ema": state, "latent_avg": np.ones(512, np.float32)})
    checkpoint = read_checkpoint(tmp_path / "g.pt")
    found = checkpoint.state_dict["style.1.weight"]
    assert np.array_equal(found, state["style.1.weight"].T) and found.flags.c_contiguous
    assert checkpoint.kind == "stylegan2" and checkpoint.latent_avg.shape == (512,)


def test_the_earlier_ports_heads(tmp_path):
    entries = json.loads((PORT / "lpips_lin_alex.json").read_text())
    golden = list(lpips_alex().values())
    port = {entry["name"]: paddle.to_tensor(value) for entry, value in zip(entries, golden)}
    paddle.save(port, str(tmp_path / "port.pdparams"))
    heads_are_golden(tmp_path / "port.pdparams")


def test_the_earlier_ports_identity_network(tmp_path):
    """Values, not only names: the port's file and the official one give the same state."""
    official = weights.fill(manifest("model_ir_se50"), 1)
    entries = json.loads((PORT / "model_ir_se50.json").read_text())
    back = {"_mean": "running_mean", "_variance": "running_var", "_weight": "weight"}
    port = {}
    for entry in entries:
        parent, _, leaf = entry["name"].rpartition(".")
        parent = {"output_layer.2": "output_layer.3", "output_layer.3": "output_layer.4"}.get(
            parent, parent
        )
        value = official[f"{parent}.{back.get(leaf, leaf)}"]
        port[entry["name"]] = value.T if value.ndim == 2 else value
        assert list(port[entry["name"]].shape) == entry["shape"]
    with open(tmp_path / "port.pdparams", "wb") as file:
        pickle.dump(port, file, protocol=4)
    checkpoint = read_checkpoint(tmp_path / "port.pdparams")
    assert checkpoint.kind == "ir_se50" and len(checkpoint.state_dict) == 343
    state = checkpoint.state_dict
    assert np.array_equal(state["output_layer.3.weight"], official["output_layer.3.weight"].T)
    assert np.array_equal(state["output_layer.4._mean"], official["output_layer.4.running_mean"])
    assert np.array_equal(
        state["body.7.res_layer.2._weight"], official["body.7.res_layer.2.weight"]
    )


def test_saved_checkpoints_come_back(tmp_path):
    layer, path = Heads(), tmp_path / "run" / "best_model.pdparams"
    latent = paddle.arange(6, dtype="float32").reshape([2, 3])
    options = {"input_nc": 4, "lr": 1e-4, "names": ["a", "b"], "none": None}
    save_checkpoint(path, "sam", layer.state_dict(), latent, options)
    checkpoint = read_checkpoint(path)
    assert checkpoint.kind == "sam" and checkpoint.opts == options
    assert np.array_equal(checkpoint.latent_avg, latent.numpy())
    other = Heads()
    load_state(other, checkpoint.state_dict, path)
    assert all(np.array_equal(v, numbers(other)[k]) for k, v in numbers(layer).items())
    assert paddle.load(str(path))["opts"] == options
    save_checkpoint(
        path, "sam", {"x": np.float32(1.5)[None], "n": np.arange(3)}
    )  # over the older file
    assert (
        read_checkpoint(path).state_dict["n"].tolist() == [0, 1, 2]
        and read_checkpoint(path).opts == {}
    )


def test_bfloat16_is_saved_as_float32(tmp_path):
    save_checkpoint(
        tmp_path / "x.pdparams", "demo", {"a": paddle.full([2], 0.5).astype("bfloat16")}
    )
    found = read_checkpoint(tmp_path / "x.pdparams").state_dict["a"]
    assert found.dtype == np.float32 and found.tolist() == [0.5, 0.5]


def test_a_network_made_without_weights(tmp_path):
    """Under LazyGuard parameters get their first values from the checkpoint."""
    with paddle.LazyGuard():
        layer = paddle.nn.Linear(2, 3)
    load_state(layer, {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)}, "x")
    assert layer(paddle.ones([1, 2])).tolist() == [[2, 2, 2]]


def test_part_of_a_state(tmp_path):
    save_checkpoint(
        tmp_path / "x.pdparams", "sam", {"encoder.a": np.ones(2), "decoder.b": np.zeros(3)}
    )
    part = read_checkpoint(tmp_path / "x.pdparams").state_dict.part("encoder.")
    assert list(part) == ["a"] and part["a"].tolist() == [1, 1] and "decoder.b" not in part


def test_nothing_is_loaded_in_part(tmp_path):
    layer = Heads()
    before = numbers(layer)
    state = {**numbers(Heads()), "lin.7.weight": np.zeros(3, np.float32)}
    state["lin.1.weight"] = np.zeros((1, 5, 1, 1), np.float32)
    del state["lin.2.weight"]
    with pytest.raises(UserError) as caught:
        load_state(layer, state, "some/file.pdparams")
    message = str(caught.value)
    assert message == (
        "some/file.pdparams: does not fit Heads (3 problems): missing lin.2.weight, unknown lin.7.weight, "
        "lin.1.weight has shape [1, 5, 1, 1] instead of [1, 192, 1, 1]"
    )
    assert all(np.array_equal(value, before[name]) for name, value in numbers(layer).items())


def test_the_list_of_problems_is_short():
    with pytest.raises(UserError, match=r"\(60 problems\).* and 52 more$"):
        load_state(
            paddle.nn.Linear(1, 1, bias_attr=False), {f"n{i}": np.zeros(1) for i in range(59)}, "x"
        )


def test_loading_keeps_a_layers_dtype():
    layer = paddle.nn.Linear(2, 2)
    load_state(layer, {"weight": np.eye(2, dtype=np.float64), "bias": np.ones(2, np.float16)}, "x")
    assert layer.weight.dtype == paddle.float32 and layer.weight.numpy().tolist() == [
        [1, 0],
        [0, 1],
    ]


def test_a_missing_file_says_where_it_can_be_had(tmp_path):
    (tmp_path / "other.pdparams").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        read_checkpoint(tmp_path / "sam_ffhq_aging.pdparams")
    message = str(caught.value)
    for part in (
        f"{tmp_path}/sam_ffhq_aging.pdparams: there is no such checkpoint",
        "holds other.pdparams",
        "download sam_ffhq_aging.pt from https://",
        f"python convert_weights/convert.py sam_ffhq_aging.pt {tmp_path}/sam_ffhq_aging.pdparams",
    ):
        assert part in message
    with pytest.raises(UserError, match="get_weights.py lpips_alex"):
        read_checkpoint(tmp_path / "lpips_alex.pdparams")
    with pytest.raises(UserError, match="does not exist"):
        read_checkpoint(tmp_path / "nowhere" / "x.pdparams")


def test_other_pytorch_files_are_not_taken_for_checkpoints():
    with pytest.raises(UserError, match="no known kind"):
        read_checkpoint(FILES / "zip.pt")
