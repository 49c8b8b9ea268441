"""What this machine has: Python, Paddle, a device, a compiler, engines, weights. One line of text each."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib import metadata

import paddle

from work import compiler, runtime
from work.checks.outcome import Missing
from work.compiler import BuildError
from work.configs.weights import DEFAULT_WEIGHTS, KNOWN_WEIGHTS
from work.inference.engines import openvino_engine, paddle_engine
from work.inference.engines.cache import EngineUnavailable
from work.installation import command, is_checkout
from work.models.ops import one_pass
from work.models.pretrained import installed
from work.training.ranger_op import build


def python() -> str:
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    return (
        f"{platform.python_version()}, {platform.platform()}, {runtime.cpu_count()} cores{memory}"
    )


def package() -> str:
    """The version of this package: the commit in a clone, else the wheel's."""
    if not is_checkout():
        return f"paddle-sam {metadata.version('paddle-sam')}"
    commit = ""
    with suppress(OSError):  # git itself may be missing
        command = ["git", "-C", os.path.dirname(__file__), "describe", "--always", "--dirty"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        commit = done.stdout.strip()
    return f"a clone at {commit or 'an unknown commit'}"


def versions() -> str:
    """Paddle and what it is built for, and numpy."""
    parts = [f"paddle {paddle.__version__}", f"numpy {metadata.version('numpy')}"]
    if paddle.is_compiled_with_cuda():
        parts.insert(1, f"CUDA {paddle.version.cuda()}, cuDNN {paddle.version.cudnn()}")
    return ", ".join(parts)


def device(wanted: str) -> str:
    """Set up a device, and see in a small product that it computes."""
    name = runtime.setup(wanted, seed=0)
    if not float(paddle.ones([8, 8]).matmul(paddle.ones([8, 8])).sum()) == 512:
        raise RuntimeError(f"{name} multiplies wrongly")
    if not on_gpu():
        return name
    card = paddle.device.cuda.get_device_properties(name)
    return f"{name}: {card.name}, {card.total_memory / 2**30:.0f} GiB, capability {card.major}.{card.minor}"


def on_gpu() -> bool:
    """Whether Paddle computes on a GPU now."""
    return paddle.device.get_device().startswith("gpu")


def compilers() -> str:
    """The C++ compiler, and nvcc where Paddle has CUDA."""
    try:
        path = compiler.find_compiler()
    except BuildError as error:
        raise Missing(f"{error}: training runs in plain Paddle, slower") from error
    text = compiler.run([path, "--version"]).splitlines()[0]
    if not paddle.is_compiled_with_cuda():
        return text
    nvcc = build.find_nvcc()
    if nvcc is None:
        raise Missing(f"{text}; no nvcc: on the GPU Ranger runs in plain Paddle, slower")
    return f"{text}; {compiler.run([nvcc, '--version']).strip().splitlines()[-1]}"


def operators() -> str:
    """The compiled CPU operators, which are compared with plain Paddle when they are loaded."""
    if on_gpu():
        return "not needed on a GPU"
    one_pass.load()
    problem = one_pass.problem()
    if problem:
        raise Missing(f"plain Paddle computes instead: {problem}")
    return "compiled, equal to plain Paddle"


def engines() -> str:
    """What can compute on a CPU besides Paddle's dygraph."""
    found, lacking = [], []
    for engine in (openvino_engine, paddle_engine):
        try:
            found.append(f"{engine.NAME} ({engine.version()})")
        except EngineUnavailable as error:
            lacking.append(str(error))
    if lacking:
        raise Missing(", ".join(found + lacking))
    return ", ".join(found)


def weights() -> str:
    """Which known weights are here; a note if the embedded model's are not."""
    here = [name for name in KNOWN_WEIGHTS if installed(name)]
    absent = [name for name in KNOWN_WEIGHTS if name not in here]
    text = f"here: {', '.join(here) or 'none'}; not here: {', '.join(absent) or 'none'}"
    if set(DEFAULT_WEIGHTS) - set(here):
        raise Missing(f"{text}; {command('get_weights')} --default fetches what is missing first")
    return text
