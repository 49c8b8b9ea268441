"""Compile the Ranger operator into a per-user cache.

A direct call of the compiler takes the place of `paddle.utils.cpp_extension.load`: that one needs
setuptools and the Python headers, builds in a shared folder where two starting processes meet, and
prints. The operator is the same: it is registered with PD_BUILD_OP and linked against Paddle's own
library.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from work.files import atomic_write

FOLDER = Path(__file__).resolve().parent
HOST_SOURCES = ("ranger_op.cc", "ranger_cpu.cc")
CUDA_SOURCE = "ranger_cuda.cu"
HEADERS = ("ranger_math.h", "ranger_step.h")
# No -ffast-math: with it GCC sets the whole process to flush denormals when the library is loaded,
# and NaN checks go. -fno-math-errno alone lets sqrtf become a vector instruction.
CXX_FLAGS = ("-O3", "-std=c++17", "-march=native", "-fopenmp", "-fno-math-errno", "-fPIC")
NVCC_FLAGS = ("-O3", "-std=c++17", "-Xcompiler", "-fPIC")
OLDEST_ARCH, NEWEST_ARCH = 75, 90


class BuildError(RuntimeError):
    """The operator cannot be had on this machine; the message says why, in one line."""


def find_compiler() -> str:
    """Return the C++ compiler: $CXX, else g++, c++ or clang++ on the PATH. Raises BuildError if
    there is none."""
    if not sys.platform.startswith("linux"):
        raise BuildError(f"the compiled Ranger is for Linux, this is {sys.platform}")
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise BuildError("no C++ compiler (g++, or another one named by CXX) was found")


def find_nvcc() -> str | None:
    """Return nvcc from $CUDA_HOME/bin or the PATH, or None."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    return (shutil.which("nvcc", path=str(Path(home) / "bin")) if home else None) or shutil.which(
        "nvcc"
    )


def cuda_architectures(nvcc: str) -> list[int]:
    """Return the compute capabilities from 75 to 90 that `nvcc` can compile for."""
    names = _run([nvcc, "--list-gpu-arch"]).split()
    found = sorted(int(name[8:]) for name in names if name[8:].isdigit())
    return [arch for arch in found if OLDEST_ARCH <= arch <= NEWEST_ARCH]


def nvcc_command(nvcc: str, output: Path) -> list[str]:
    """Return the command that compiles the .cu for every architecture, and as PTX for those to
    come."""
    architectures = cuda_architectures(nvcc)
    if not architectures:
        raise BuildError(f"{nvcc} knows no architecture from sm_{OLDEST_ARCH} to sm_{NEWEST_ARCH}")
    flags = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in architectures]
    flags.append(f"-gencode=arch=compute_{architectures[-1]},code=compute_{architectures[-1]}")
    return [nvcc, *NVCC_FLAGS, *flags, "-c", str(FOLDER / CUDA_SOURCE), "-o", str(output)]


def cache_key() -> str:
    """Return what the library depends on, hashed: Paddle, compilers, flags, this CPU's features,
    the sources."""
    import paddle

    parts = [paddle.__version__, paddle.version.commit, platform.machine(), _cpu_features()]
    parts += [find_compiler(), _run([find_compiler(), "--version"]), *CXX_FLAGS]
    nvcc = _nvcc_to_use()
    parts += [nvcc, _run([nvcc, "--version"]), *NVCC_FLAGS] if nvcc else ["no CUDA"]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name in (*HOST_SOURCES, CUDA_SOURCE, *HEADERS, Path(__file__).name):
        digest.update((FOLDER / name).read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def cache_folder() -> Path:
    """Return $SAM_RANGER_CACHE, else $XDG_CACHE_HOME/paddle_sam/ranger, else
    ~/.cache/paddle_sam/ranger."""
    if os.environ.get("SAM_RANGER_CACHE"):
        return Path(os.environ["SAM_RANGER_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "paddle_sam" / "ranger"


def build(force: bool = False) -> Path:
    """Return the path of the compiled library, compiling it if it is not in the cache (or if
    `force`).

    Processes that start together wait for the first one's build. Raises BuildError.
    """
    target = cache_folder() / cache_key() / "ranger.so"
    if target.exists() and not force:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(target.with_suffix(".lock")):
            if force or not target.exists():
                with atomic_write(target) as temporary:
                    _compile(temporary)
    except OSError as error:
        raise BuildError(f"cannot write the compiled Ranger to {target.parent}: {error}") from error
    return target


def _compile(output: Path) -> None:
    import paddle

    include, libs = Path(paddle.sysconfig.get_include()), Path(paddle.sysconfig.get_lib())
    core = libs.parent / "base"
    command = [find_compiler(), *CXX_FLAGS, "-shared", "-o", str(output)]
    command += ["-isystem", str(include), "-isystem", str(include / "third_party")]
    command += [str(FOLDER / name) for name in HOST_SOURCES]
    nvcc = _nvcc_to_use()
    with tempfile.TemporaryDirectory() as scratch:
        if nvcc:
            device = Path(scratch) / "ranger_cuda.o"
            _run(nvcc_command(nvcc, device))
            command += ["-DRANGER_WITH_CUDA", str(device), *_cuda_libraries(nvcc)]
            command += ["-lcudart_static", "-ldl", "-lrt", "-lpthread"]
        command += [f"-L{core}", "-l:libpaddle.so", f"-Wl,-rpath,{core}"]
        if (libs / "libiomp5.so").exists():  # Paddle's own threads, and so Paddle's number of them
            command += [f"-L{libs}", "-l:libiomp5.so", f"-Wl,-rpath,{libs}"]
        _run(command)


def _nvcc_to_use() -> str | None:
    import paddle

    with_cuda = paddle.is_compiled_with_cuda() and not paddle.is_compiled_with_rocm()
    return find_nvcc() if with_cuda else None


def _cuda_libraries(nvcc: str) -> list[str]:
    """Return the linker's -L flags. nvcc may be a wrapper far from its toolkit, so it is asked."""
    for line in _run(
        [nvcc, "--dryrun", "-c", "-x", "cu", os.devnull, "-o", os.devnull]
    ).splitlines():
        if line.startswith("#$ LIBRARIES="):
            return shlex.split(line.split("=", 1)[1])
    return [f"-L{Path(nvcc).resolve().parents[1] / 'lib64'}"]


def _cpu_features() -> str:
    """-march=native must not meet another machine's CPU through a shared home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # not on Windows, where find_compiler() has refused already

    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # released when the file closes, also by a crash
        yield


def _run(command: list[str]) -> str:
    """Run a compiler and return what it printed. Raises BuildError with its first error line."""
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
