"""Building the compiled Ranger: its cache, two processes at once, machines without a compiler."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from work import compiler
from work.errors import UserError
from work.training import ranger
from work.training.ranger_op import build
from work.training.ranger_op import step as steps

SCRIPT = Path(__file__).resolve().parents[2] / "work" / "scripts" / "compile_ranger.py"


def wrapped_compiler(folder, log):
    """Return a compiler that notes each real use of it: the question for its version is none."""
    path = folder / "g++"
    real = compiler.find_compiler()
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo >> {log}\nexec {real} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_two_processes_at_once_build_once(tmp_path):
    log = tmp_path / "log"
    cache = tmp_path / "cache"
    env = dict(os.environ, SAM_COMPILED_CACHE=str(cache), CXX=wrapped_compiler(tmp_path, log))
    command = [sys.executable, str(SCRIPT)]
    both = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    results = [process.communicate() + (process.returncode,) for process in both]
    assert [code for _, _, code in results] == [0, 0], results
    (library,) = cache.glob("ranger/*/*.so")
    assert all(str(library) in out for out, _, _ in results)
    assert len(log.read_text().splitlines()) == 1
    assert not [path for path in library.parent.iterdir() if path.name.startswith(".")]


def forget(monkeypatch, tmp_path):
    """Make this process one that has neither loaded nor built anything yet."""
    monkeypatch.setattr(steps, "_loaded", {})
    monkeypatch.setattr(ranger, "_warned", [])
    monkeypatch.setenv("SAM_COMPILED_CACHE", str(tmp_path / "cache"))


def one_step(impl):
    param = paddle.create_parameter([3, 4], "float32")
    before = param.numpy()
    optimizer = ranger.Ranger(parameters=[param], impl=impl)
    (param * param).sum().backward()
    optimizer.step()
    return before, param.numpy()


def test_without_a_compiler_plain_paddle_and_one_line(monkeypatch, tmp_path, caplog):
    forget(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    for _ in range(2):
        before, after = one_step("auto")
        assert not np.array_equal(before, after)
    assert len(caplog.records) == 1
    assert "no C++ compiler" in caplog.text and "plain Paddle" in caplog.text
    with pytest.raises(UserError, match="no C\\+\\+ compiler"):
        one_step("compiled")


def test_a_failed_build_leaves_nothing_and_falls_back(monkeypatch, tmp_path, caplog):
    forget(monkeypatch, tmp_path)
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "error: no room"\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    before, after = one_step("auto")
    assert not np.array_equal(before, after)
    assert "no room" in caplog.text
    assert not list((tmp_path / "cache").rglob("*ranger*.so"))


def test_an_operator_with_wrong_numbers_is_not_used(monkeypatch, caplog):
    monkeypatch.setattr(steps, "_loaded", {"library": steps._compiled_step})
    monkeypatch.setattr(ranger, "_warned", [])
    monkeypatch.setattr(steps, "_compiled_step", lambda updates, constants: None)
    before, after = one_step("auto")
    assert not np.array_equal(before, after)
    assert "differs from plain Paddle" in caplog.text


def test_the_cache_key_follows_what_the_library_depends_on(monkeypatch, tmp_path):
    keys = [build.cache_key()]
    assert build.cache_key() == keys[0]
    with monkeypatch.context() as patch:
        patch.setattr(paddle, "__version__", "9.9.9")
        keys.append(build.cache_key())
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "cpu_features", lambda: "another CPU")
        keys.append(build.cache_key())
    with monkeypatch.context() as patch:
        patch.setenv("CXX", wrapped_compiler(tmp_path, tmp_path / "log"))
        keys.append(build.cache_key())
    with monkeypatch.context() as patch:
        copy = tmp_path / "sources"
        shutil.copytree(build.FOLDER, copy)
        (copy / "ranger_math.h").write_text((copy / "ranger_math.h").read_text() + "// more\n")
        patch.setattr(build, "FOLDER", copy)
        keys.append(build.cache_key())
    assert len(set(keys)) == 5
