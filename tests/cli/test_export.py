"""Exported graphs are Paddle's networks, and the examples of docs/serving.md run them."""

import json
import re
from pathlib import Path

import numpy as np
import paddle
import pytest
from PIL import Image

from work.configs.options import ModelOptions
from work.datasets.transforms import to_input
from work.errors import run
from work.inference import export as exporting
from work.loading import load_psp
from work.models.checkpoint import read_checkpoint
from work.scripts import export

EXAMPLES = dict(
    re.findall(
        r"## ([\w ]+)\n\n```python\n(.*?)```",
        (Path(__file__).parents[2] / "docs/serving.md").read_text(),
        re.S,
    )
)
FORMATS = {"ONNX Runtime": "onnx", "OpenVINO": "openvino", "Paddle Inference": "paddle"}


def call(*flags):
    return run(lambda: export.main(list(flags)))


@pytest.mark.parametrize("title", FORMATS)
def test_the_example_of_each_format(title, light_sam, tmp_path, monkeypatch, capsys):
    chosen = FORMATS[title]
    out = tmp_path / "served"
    assert call(f"--checkpoint_path={light_sam}", f"--out={out}", f"--format={chosen}") == 0
    said, shown = capsys.readouterr()
    lines = said.splitlines()
    assert "1/1 format in " in shown  # seconds at the end
    assert sum(line.startswith(chosen) and "from Paddle" in line for line in lines) == 3
    errors = json.loads((out / "export.json").read_text())[chosen]
    assert set(errors) == {"start", "encoder", "generator"} and max(errors.values()) < 1e-4
    rng = np.random.default_rng(0)
    face = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((256, 256))
    face.save(tmp_path / "face.png")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(EXAMPLES[title], names)
    net = load_psp(read_checkpoint(light_sam), ModelOptions(), "light")
    values = paddle.to_tensor(to_input(face)[None])
    with paddle.no_grad():
        inputs = paddle.concat([values, paddle.full([1, 1, 256, 256], 0.7)], axis=1)
        expected = net.decode(net.encode(inputs))[0].numpy().transpose(1, 2, 0)
    expected = np.clip(expected * 127.5 + 127.5, 0, 255)
    assert abs(names["image"] - expected).max() < 0.55  # rounding takes 0.5


def test_a_wrong_graph_is_named(light_sam, tmp_path, monkeypatch, capsys):
    def wrong(name, part, folder):
        shape = {"w_plus": (1, 4, 512), "start": (1, 4, 512), "image": (1, 3, 8, 8)}[part.output]
        return lambda *inputs: np.ones(shape, np.float32)

    monkeypatch.setitem(exporting.FORMATS, "onnx", wrong)
    flags = (f"--checkpoint_path={light_sam}", f"--out={tmp_path / 'served'}", "--format=onnx")
    assert call(*flags) == 2
    assert "differs from Paddle: start, encoder, generator" in capsys.readouterr().err


def test_a_missing_package_is_said(light_sam, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    flags = (f"--checkpoint_path={light_sam}", f"--out={tmp_path / 'served'}", "--format=onnx")
    assert call(*flags) == 2
    assert "onnx is not installed (pip install onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--checkpoint_path is needed"),
        (("--checkpoint_path=a.pdparams",), "--out is needed"),
        (("--checkpoint_path=a.pdparams", "--out=x", "--format=tf"), "--format tf"),
        (("--checkpoint_path=missing.pdparams", "--out=x"), "missing.pdparams"),
    ],
)
def test_mistakes_are_one_line(flags, said, capsys):
    assert call(*flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("error: ") and error.count("\n") == 1
