"""Which engine is used, and that processes which start together build a graph once."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import paddle
import pytest

from work.inference.engines import openvino_engine, paddle_engine
from work.inference.engines.engine import EngineUnavailable, NotInstalled, first_usable
from work.locks import one_at_a_time


def engines(*names):
    return [Mock(NAME=name) for name in names]


def test_auto_takes_the_first_engine_that_can_be_used_and_says_what_was_wrong(capsys):
    def prepare(engine):
        if engine.NAME == "first":
            raise NotInstalled("first is not installed")
        if engine.NAME == "second":
            raise EngineUnavailable("its decoder is 0.1 off")
        return f"graphs of {engine.NAME}"

    paddle.device.set_device("cpu")
    assert first_usable("auto", engines("first", "second", "third"), prepare) == "graphs of third"
    note = "note: third computes instead of second: its decoder is 0.1 off\n"
    assert capsys.readouterr().err == note


def test_a_cache_that_cannot_be_written_leaves_the_work_to_paddle(capsys):
    def prepare(engine):
        raise PermissionError(13, "Permission denied", "/closed/engines")

    paddle.device.set_device("cpu")
    assert first_usable("auto", engines("one"), prepare) is None
    note = "note: Paddle computes instead of one: its graphs cannot be kept: [Errno 13] Permission denied"
    assert capsys.readouterr().err.startswith(note)


@pytest.mark.parametrize("engine", [openvino_engine, paddle_engine], ids=lambda e: e.NAME)
def test_of_two_first_runs_one_builds_a_graph(engine, tmp_path):
    with one_at_a_time(target_of(engine, tmp_path)):
        code = (
            "import sys; from pathlib import Path; from importlib import import_module\n"
            "engine = import_module(sys.argv[1])\n"
            "def graph(ops, x): raise SystemExit('built twice')\n"
            "engine.build('g', {'x': (1, 3)}, graph, Path(sys.argv[2]))"
        )
        words = [sys.executable, "-c", code, engine.__name__, str(tmp_path)]
        other = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        said = other.stderr.readline()
        assert said.startswith("waiting for another process")
        target_of(engine, tmp_path).touch()
    assert other.communicate()[1] == "" and other.returncode == 0


def target_of(engine, folder):
    return folder / "g.xml" if engine is openvino_engine else paddle_engine.model_file("g", folder)


@pytest.mark.parametrize("choice", ["paddle", "auto"])
def test_engines_are_for_the_cpu_unless_one_is_named(choice, monkeypatch, capsys):
    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    assert first_usable(choice, engines("one"), lambda engine: engine.NAME) is None
    assert first_usable("one", engines("one"), lambda engine: engine.NAME) == "one"
    assert capsys.readouterr().err == ""


def test_an_engine_without_graphs_of_the_network_is_named(capsys):
    assert first_usable("another", engines("one"), lambda engine: engine.NAME) is None
    said = "note: Paddle computes instead of another: it has no graphs of this network\n"
    assert capsys.readouterr().err == said


def test_a_damaged_graph_is_built_anew(tmp_path):
    pytest.importorskip("openvino", reason="needs requirements-cpu.txt")

    def graph(ops, x):
        return ops.add(x, ops.constant(np.arange(3000, dtype=np.float32)[None]))

    def build():
        openvino_engine.build("g", {"x": (1, 3000)}, graph, tmp_path)

    build()
    weights = tmp_path / "g.bin"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(EngineUnavailable, match="its g cannot be loaded"):
        openvino_engine.load("g", tmp_path, "fp32", cached=False)
    build()
    run = openvino_engine.load("g", tmp_path, "fp32", cached=False)
    assert run(np.zeros((1, 3000), np.float32))[0, -1] == 2999
