"""Compiles the Ranger operator, registered with PD_BUILD_OP and linked against Paddle; with CUDA if there is nvcc."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from work import compiler
from work.compiler import BuildError

FOLDER = Path(__file__).resolve().parent
HOST_SOURCES = ("ranger_op.cc", "ranger_cpu.cc")
CUDA_SOURCE = "ranger_cuda.cu"
HEADERS = ("ranger_math.h", "ranger_step.h")
NVCC_FLAGS = ("-O3", "-std=c++17", "-Xcompiler", "-fPIC")
OLDEST_ARCH, NEWEST_ARCH = 75, 90


def find_nvcc() -> str | None:
    """The path of nvcc in $CUDA_HOME/bin or on the PATH; None if there is none."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    return (shutil.which("nvcc", path=str(Path(home) / "bin")) if home else None) or shutil.which(
        "nvcc"
    )


def cuda_architectures(nvcc: str) -> list[int]:
    """The compute capabilities from 75 to 90 that `nvcc` can compile for."""
    names = compiler.run([nvcc, "--list-gpu-arch"]).split()
    found = sorted(int(name[8:]) for name in names if name[8:].isdigit())
    return [arch for arch in found if OLDEST_ARCH <= arch <= NEWEST_ARCH]


def nvcc_command(nvcc: str, output: Path) -> list[str]:
    """The command that compiles the .cu file for every architecture, and to PTX for future ones.

    Raises:
        BuildError: nvcc knows none of these architectures.
    """
    architectures = cuda_architectures(nvcc)
    if not architectures:
        raise BuildError(f"{nvcc} knows no architecture from sm_{OLDEST_ARCH} to sm_{NEWEST_ARCH}")
    flags = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in architectures]
    flags.append(f"-gencode=arch=compute_{architectures[-1]},code=compute_{architectures[-1]}")
    return [nvcc, *NVCC_FLAGS, *flags, "-c", str(FOLDER / CUDA_SOURCE), "-o", str(output)]


def cache_key() -> str:
    """A hash of all that the library depends on."""
    nvcc = _nvcc_to_use()
    parts = [nvcc, compiler.run([nvcc, "--version"]), *NVCC_FLAGS] if nvcc else ["no CUDA"]
    names = (*HOST_SOURCES, CUDA_SOURCE, *HEADERS, Path(__file__).name)
    return compiler.cache_key([FOLDER / name for name in names], *parts)


def build(force: bool = False) -> Path:
    """The path of the library, which is compiled if it is not in the cache; see `compiler.compile_once`."""
    return compiler.compile_once("ranger", cache_key(), _compile, force)


def _compile(output: Path) -> None:
    import paddle

    include, core = Path(paddle.sysconfig.get_include()), Path(paddle.sysconfig.get_lib())
    core = core.parent / "base"
    flags = ["-isystem", str(include), "-isystem", str(include / "third_party")]
    nvcc = _nvcc_to_use()
    with tempfile.TemporaryDirectory() as scratch:
        if nvcc:
            device = Path(scratch) / "ranger_cuda.o"
            compiler.run(nvcc_command(nvcc, device))
            flags += ["-DRANGER_WITH_CUDA", str(device), *_cuda_libraries(nvcc)]
            flags += ["-lcudart_static", "-ldl", "-lrt", "-lpthread"]
        flags += [f"-L{core}", "-l:libpaddle.so", f"-Wl,-rpath,{core}"]
        compiler.compile_library(output, [FOLDER / name for name in HOST_SOURCES], *flags)


def _nvcc_to_use() -> str | None:
    import paddle

    with_cuda = paddle.is_compiled_with_cuda() and not paddle.is_compiled_with_rocm()
    return find_nvcc() if with_cuda else None


def _cuda_libraries(nvcc: str) -> list[str]:
    """The linker's -L flags, as nvcc prints them: it may be a wrapper far from its toolkit."""
    for line in compiler.run(
        [nvcc, "--dryrun", "-c", "-x", "cu", os.devnull, "-o", os.devnull]
    ).splitlines():
        if line.startswith("#$ LIBRARIES="):
            return shlex.split(line.split("=", 1)[1])
    return [f"-L{Path(nvcc).resolve().parents[1] / 'lib64'}"]
