"""Checkpoints in this package's own layout that lack a tensor or lie about the network: one line, soon, exit code 2."""

from __future__ import annotations

import pickle
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from convert_weights.plan import Converted, make_plan
from tests.convert.helpers import fake_source, fake_tensor, official, run
from work.configs.options import ModelChoice, ModelOptions
from work.errors import UserError
from work.inference.engines.sam import fast_sam
from work.loading import load_generator, load_psp, set_latent_avg
from work.models.checkpoint import Checkpoint, read_checkpoint
from work.models.lazy_state import LazyState
from work.models.shapes import generator_shape
from work.scripts import inference, project


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def levels(count: int, prefix: str = "decoder.") -> dict[str, np.ndarray]:
    return {f"{prefix}to_rgbs.{i}.conv.weight": floats(1, 3, 4, 1, 1) for i in range(count)}


INPUT = {"encoder.input_layer.0.weight": floats(4, 4, 3, 3)}
STYLE = {"style.1.weight": floats(8, 8)}
SAM = {
    "nothing that is known": ({"x": floats(1)}, "0 levels of to_rgbs"),
    "no encoder": (levels(1), "holds no tensor encoder.input_layer.0.weight; it is damaged or incomplete"),
    "an encoder's input without dimensions": (
        {**levels(1), "encoder.input_layer.0.weight": floats()}, "encoder.input_layer.0.weight has shape []",
    ),
    "an encoder of no channels": (
        {**levels(1), "encoder.input_layer.0.weight": floats(4, 0, 3, 3)}, "takes 0 channels",
    ),
    "an encoder of 5000 channels": (
        {**levels(1), "encoder.input_layer.0.weight": floats(1, 5000, 1, 1)}, "takes 5000 channels",
    ),
    "nothing but what tells the size": ({**levels(1), **INPUT}, "does not fit PSP"),
    "nine levels, 2048 px": ({**levels(9), **INPUT}, "9 levels of to_rgbs"),
    "twelve levels": ({**levels(12), **INPUT}, "12 levels of to_rgbs"),
    "60 levels": ({**levels(60), **INPUT}, "60 levels of to_rgbs"),
    "3000 levels": ({**levels(3000), **INPUT}, "3000 levels of to_rgbs"),
}  # fmt: skip
STYLEGAN2 = {
    "nothing that is known": ({"x": floats(1)}, "0 levels of to_rgbs"),
    "no mapping network": (levels(1, ""), "holds no tensor style.1.weight"),
    "a level without dimensions": ({**STYLE, "to_rgbs.0.conv.weight": floats()}, "to_rgbs.0.conv.weight has shape []"),
    "a level of another number": (
        {**STYLE, "to_rgbs.7.conv.weight": floats(1, 3, 4, 1, 1)}, "holds no tensor to_rgbs.0",
    ),
    "a mapping without dimensions": ({**levels(1, ""), "style.1.weight": floats()}, "style.1.weight has shape []"),
    "styles of 100,000 numbers": ({**levels(1, ""), "style.1.weight": floats(100_000, 1)}, "style_dim of 100000"),
    "a mapping of 500 layers": (
        {**levels(1, ""), **{f"style.{i}.weight": floats(8, 8) for i in range(1, 501)}}, "n_mlp of 500",
    ),
    "channels beyond all": (
        {**STYLE, **levels(7, ""), "to_rgbs.7.conv.weight": floats(1, 1, 90_000, 1, 1)}, "channel_multiplier of 5625",
    ),
    "twelve levels": ({**STYLE, **levels(12, "")}, "12 levels of to_rgbs"),
    "nothing but what tells the size": ({**STYLE, **levels(1, "")}, "does not fit Generator"),
}  # fmt: skip


def written(folder, kind, state, more=None):
    path = folder / "x.pdparams"
    path.write_bytes(pickle.dumps({"kind": kind, "state_dict": state, **(more or {})}, 4))
    return path


def refusal(load, path):
    """The message of a UserError that takes at most 2 seconds and 200 MiB (measured apart: to trace costs time)."""
    start = time.process_time()
    with pytest.raises(UserError) as caught:
        load(path)
    assert time.process_time() - start < 2
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 1000
    return message


def psp(path):
    load_psp(read_checkpoint(path), ModelOptions(), path)


def generator(path):
    load_generator(read_checkpoint(path), path)


@pytest.mark.parametrize("case", SAM)
def test_sam(tmp_path, case):
    state, expected = SAM[case]
    assert expected in refusal(psp, written(tmp_path, "sam", state))


@pytest.mark.parametrize("case", STYLEGAN2)
def test_stylegan2(tmp_path, case):
    state, expected = STYLEGAN2[case]
    assert expected in refusal(generator, written(tmp_path, "stylegan2", state))


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"latent_avg": "none"}, "latent_avg is not a tensor"),
        ({"latent_avg": floats(3000, 512)}, "refuses a latent_avg"),
        ({"opts": 5}, "its opts are a int"),
        ({"opts": [("output_size", 8)]}, "its opts are a list"),
        ({"kind": "sam\x1b[2J\nsam"}, "is not the name of a network"),
        ({"kind": "s" * 4000}, "is not the name of a network"),
        ({"kind": ""}, "is not the name of a network"),
        ({"kind": "cat"}, "holds cat weights"),
    ],
)
def test_entries_beside_the_weights(tmp_path, more, expected):
    assert expected in refusal_of_any(written(tmp_path, "sam", levels(1), more))


def refusal_of_any(path):
    with pytest.raises(UserError) as caught:
        psp(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 1000
    return message


@pytest.mark.parametrize("shape", [(), (0, 512), (4, 511), (2, 2, 512)])
def test_a_mean_latent_of_another_shape(shape):
    net = SimpleNamespace(start_from_encoded_w_plus=True, n_styles=4)
    checkpoint = Checkpoint("sam", LazyState({}, "x.pdparams"), floats(*shape), {})
    with pytest.raises(UserError, match=r"x.pdparams: its latent_avg has shape .* \[N, 512\]"):
        set_latent_avg(net, checkpoint)


@pytest.mark.parametrize("damage", ["missing", "shape", "rank"])
@pytest.mark.parametrize("part", ["encoder.", "decoder.", "pretrained_encoder."])
@pytest.mark.parametrize("load", [load_psp, fast_sam])
def test_one_tensor_of_a_whole_network_is_damaged(load, part, damage):
    tensors = make_plan(fake_source(official("sam_64"))).state()
    name = [each for each in tensors if each.startswith(part)][20]
    old = tensors.pop(name)
    shape = (*old.shape, 1) if damage == "rank" else (77, *old.shape[1:])
    if damage != "missing":
        tensors[name] = Converted(fake_tensor(shape))
    checkpoint = Checkpoint("sam", LazyState(tensors, "x"), None, {})
    with pytest.raises(UserError) as caught:
        load(checkpoint, ModelChoice(device="cpu"), Path("x.pdparams"))
    problem = f"missing {name}" if damage == "missing" else f"{name} has shape {list(shape)}"
    assert str(caught.value).startswith(f"x.pdparams: does not fit PSP (1 problem): {problem}")


def test_a_missing_tensor_is_a_key_error_too(tmp_path):
    state = read_checkpoint(written(tmp_path, "demo", {"a.b": floats(2)})).state_dict.part("a.")
    assert "c" not in state and state.get("c") is None and state["b"].shape == (2,)
    with pytest.raises(KeyError) as caught:
        state["c"]
    assert (
        str(caught.value)
        == f"{tmp_path / 'x.pdparams'}: holds no tensor a.c; it is damaged or incomplete"
    )


def test_the_shapes_of_a_good_generator(tmp_path):
    state = {**STYLE, **levels(5, ""), "to_rgbs.4.conv.weight": floats(1, 3, 128, 1, 1)}
    weights = read_checkpoint(written(tmp_path, "stylegan2", state)).state_dict
    expected = {"size": 128, "style_dim": 8, "n_mlp": 1, "channel_multiplier": 1}
    assert generator_shape(weights) == expected


@pytest.mark.parametrize("case", ["no encoder", "60 levels"])
def test_scripts_say_it_in_one_line(tmp_path, capsys, case):
    path = written(tmp_path, "sam", SAM[case][0])
    Image.new("RGB", (64, 64)).save(tmp_path / "face.png")
    out = f"{tmp_path / 'out'}"
    flags = [f"--checkpoint_path={path}", f"--data_path={tmp_path}", f"--exp_dir={out}"]
    files = [tmp_path / "face.png", f"--ckpt={path}", f"--output={out}"]
    for main, arguments in ((inference.main, flags), (project.main, files)):
        assert run(main, *arguments, "--device=cpu") == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path}: ") and error.count("\n") == 1
