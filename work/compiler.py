"""Compiles a few C++ files on first use and keeps the libraries in a per-user cache.

The compiler is called directly. `paddle.utils.cpp_extension.load` needs setuptools and the Python headers, prints, and
builds in a shared folder where processes that start together get in each other's way.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from work import downloads
from work.files import atomic_write
from work.locks import one_at_a_time

# No -ffast-math: a library that GCC builds with it makes the whole process flush denormals, and NaN checks are
# dropped. -fno-math-errno alone lets sqrtf become a vector instruction.
CXX_FLAGS = ("-O3", "-std=c++17", "-march=native", "-fopenmp", "-fno-math-errno", "-fPIC")


class BuildError(RuntimeError):
    """A library cannot be compiled on this machine; the message says why in one line."""


def find_compiler() -> str:
    """Find the C++ compiler: $CXX, else g++, c++ or clang++ on the PATH. Raises BuildError if there is none."""
    if not sys.platform.startswith("linux"):
        raise BuildError(f"compiled operators are for Linux, this is {sys.platform}")
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise BuildError("no C++ compiler (g++, or another one named by CXX) was found")


def cache_key(sources: Sequence[Path], *parts: str) -> str:
    """Hash what a library depends on: Paddle, the compiler, its flags, this CPU, the sources, and further `parts`."""
    import paddle

    compiler = find_compiler()
    digest = hashlib.sha256()
    for part in (
        paddle.__version__,
        paddle.version.commit,
        platform.machine(),
        cpu_features(),
        compiler,
        run([compiler, "--version"]),
        *CXX_FLAGS,
        *parts,
    ):
        digest.update(part.encode() + b"\0")
    for source in (*sources, Path(__file__)):
        digest.update(source.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def cache_folder(name: str) -> Path:
    """$SAM_COMPILED_CACHE/NAME, else NAME beside the fetched weights."""
    return Path(os.environ.get("SAM_COMPILED_CACHE") or downloads.cache_folder()) / name


def compile_once(
    name: str, key: str, compile_to: Callable[[Path], None], force: bool = False
) -> Path:
    """Return the path of NAME.so under a key of the cache; `compile_to` makes it if it is missing (or if `force`).

    Processes that start together wait for the first one's build. Raises BuildError.
    """
    target = cache_folder(name) / key / f"{name}.so"
    if target.exists() and not force:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with one_at_a_time(target):
            if force or not target.exists():
                with atomic_write(target) as temporary:
                    compile_to(temporary)
    except OSError as error:
        raise BuildError(
            f"cannot write the compiled library to {target.parent}: {error}"
        ) from error
    return target


def compile_library(output: Path, sources: Sequence[Path], *flags: str) -> None:
    """Compile C++ files into one library that shares Paddle's OpenMP threads. Raises BuildError."""
    import paddle

    libs = Path(paddle.sysconfig.get_lib())
    command = [find_compiler(), *CXX_FLAGS, "-shared", "-o", str(output)]
    command += [*map(str, sources), *flags]
    if (libs / "libiomp5.so").exists():
        command += [f"-L{libs}", "-l:libiomp5.so", f"-Wl,-rpath,{libs}"]
    run(command)


def cpu_features() -> str:
    """What this CPU can do; in a home folder that machines share, -march=native must not reach another kind of CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


def run(command: list[str]) -> str:
    """Run a compiler and return its output. Raises BuildError with the first line that mentions an error."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"cannot run {command[0]}: {error}") from error
    if done.returncode:
        lines = [
            line for line in done.stdout.splitlines() if "error" in line
        ] or done.stdout.splitlines()
        raise BuildError(
            f"`{shlex.quote(command[0])}` failed: {lines[0] if lines else 'no message'}"
        )
    return done.stdout
