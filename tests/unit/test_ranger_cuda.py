"""Ranger's CUDA file without a GPU: nvcc compiles it for every architecture, threads run it."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import paddle
import pytest

from work.compiler import BuildError, find_compiler
from work.training.ranger_op import build
from work.training.ranger_op import step as steps

FIELDS = ("param", "grad", "exp_avg", "exp_avg_sq", "slow")


class Tensor(ctypes.Structure):
    """RangerTensor in ranger_math.h."""

    _fields_ = [(name, ctypes.c_void_p) for name in FIELDS] + [
        ("rows", ctypes.c_int64),
        ("cols", ctypes.c_int64),
        ("step_size", ctypes.c_float),
        ("decay", ctypes.c_float),
        ("centre", ctypes.c_int32),
        ("adaptive", ctypes.c_int32),
        ("lookahead", ctypes.c_int32),
    ]


def test_nvcc_compiles_every_architecture(tmp_path):
    nvcc = build.find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc on this machine: the CUDA file was not compiled")
    architectures = build.cuda_architectures(nvcc)
    assert architectures and 75 <= architectures[0] and architectures[-1] <= 90
    output = tmp_path / "ranger_cuda.o"
    subprocess.run(build.nvcc_command(nvcc, output), check=True)
    content = output.read_bytes()
    for architecture in architectures:
        assert f"sm_{architecture}".encode() in content


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    try:
        compiler = find_compiler()
    except BuildError as error:
        pytest.skip(f"{error}: the kernels were not run on the CPU")
    library = tmp_path_factory.mktemp("emulated") / "ranger_cuda.so"
    shim = Path(__file__).with_name("ranger_cuda_on_cpu.h")
    command = [compiler, "-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-include", str(shim)]
    command += ["-DRANGER_THREADS=64", "-DRANGER_MAX_BLOCKS=3"]  # every loop goes round
    command += ["-x", "c++", str(build.FOLDER / build.CUDA_SOURCE), "-o", str(library)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library)).ranger_cuda_step


def test_kernels_equal_plain_paddle(emulated):
    cases = [  # shape as a matrix, centre; more than go into one launch
        ((9, 150), steps.CENTRE_ROWS),
        ((1, 3), steps.CENTRE_ROWS),
        ((7, 133), steps.CENTRE_COLUMNS),
        ((1, 300), steps.CENTRE_NONE),
    ] + [((1, 2), steps.CENTRE_NONE)] * 40
    rng = np.random.default_rng(3)
    arrays, tensors, updates = [], (Tensor * len(cases))(), []
    for i, (shape, centre) in enumerate(cases):
        values = {name: rng.standard_normal(shape).astype(np.float32) for name in FIELDS}
        values["exp_avg_sq"] **= 2
        adaptive, lookahead = i % 2 == 0, i % 3 == 0
        paddles = {name: paddle.to_tensor(value) for name, value in values.items()}
        updates.append(
            steps.Update(**paddles, rows=shape[0], centre=centre, step_size=0.1, decay=0.02,
                         adaptive=adaptive, lookahead=lookahead)
        )  # fmt: skip
        pointers = [values[name].ctypes.data for name in FIELDS]
        tensors[i] = Tensor(*pointers, *shape, 0.1, 0.02, centre, adaptive, lookahead)
        arrays.append(values)
    constants = (ctypes.c_float * 6)(0.9, 0.1, 0.99, 0.01, 1e-5, 0.5)
    emulated(tensors, ctypes.c_int64(len(cases)), constants, None)
    steps.reference_step(updates, steps.Constants((0.9, 0.99), 1e-5, 0.5))
    for values, update in zip(arrays, updates):
        for name in FIELDS:
            np.testing.assert_allclose(
                values[name], getattr(update, name).numpy(), rtol=2e-6, atol=2e-6, err_msg=name
            )
