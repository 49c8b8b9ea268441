"""Install the Paddle that fits this machine: a GPU build that was tried on the GPU, else the CPU build.

An installed Paddle is used as it is; on a machine without an NVIDIA driver OpenVINO comes beside it.
With an NVIDIA driver it takes the newest build of Paddle's own index that the driver supports, which brings CUDA and
cuDNN along, else the one on PyPI, and runs Paddle's own check. It needs nothing but Python and pip.
Environment: PADDLE_INDEX is another base address (default: https://www.paddlepaddle.org.cn/packages/stable),
PADDLE_CUDA names a build, for example cu118.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Optional, Tuple

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import make_parser
from work.errors import UserError, run
from work.installation import this_command

INDEX = "https://www.paddlepaddle.org.cn/packages/stable"
GPU = "paddlepaddle-gpu>=2.6.2,<4"
OPENVINO = "openvino>=2024.4,<2027"
CPU = ("paddlepaddle>=2.6.2,<4", OPENVINO)  # as in requirements-cpu.txt
CHECK = "import paddle; paddle.device.set_device('gpu'); paddle.utils.run_check()"
EXAMPLES = """%(prog)s
%(prog)s --force    # once more, after a new driver"""

Version = Tuple[int, int]


@dataclass(frozen=True)
class Build:
    """A GPU build: the CUDA version that `nvidia-smi` must show, and the cards that get it.

    Paddle's install page asks for drivers 575.51.03, 550.54.14 and 450.80.02, which show CUDA 12.9, 12.4 and 11.0.
    A Pascal card that failed with 12.9 worked with 11.8 (PaddleX issue 4682), so cards before Volta get that one. Only
    CUDA 12.8 and newer know Blackwell.
    """

    name: str
    cuda: Version
    oldest: Version
    newest: Version


BUILDS = (
    Build("cu129", (12, 9), (7, 0), (12, 9)),
    Build("cu126", (12, 4), (7, 0), (9, 9)),
    Build("cu118", (11, 0), (5, 0), (9, 9)),
)
# What Paddle says when its check fails, and what helps.
ADVICE = (
    (
        r"no kernel image|invalid device function|not compatible with Paddle",
        "this build has no kernels for this card; try PADDLE_CUDA=cu118",
    ),
    (
        r"cudnn",
        "cuDNN was not found; install it, or put the folder of libcudnn.so into LD_LIBRARY_PATH",
    ),
    (r"driver version is insufficient|unsupported toolchain", "the driver is too old; update it"),
)


@dataclass(frozen=True)
class Driver:
    """What `nvidia-smi` shows: the newest CUDA that the driver supports, the card's compute capability (if told)."""

    cuda: Version
    capability: Optional[Version]


def find_driver() -> Optional[Driver]:
    """Ask nvidia-smi; None if it is not there or finds no driver."""
    shown = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", _output(["nvidia-smi"]))
    if shown is None:
        return None
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    cards = re.findall(r"^\s*(\d+)\.(\d+)\s*$", _output(query), re.M)
    lowest = min(((int(a), int(b)) for a, b in cards), default=None)
    return Driver((int(shown[1]), int(shown[2])), lowest)


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def builds_for(driver: Driver) -> list[str]:
    """The builds that this driver and card can run, the newest first; $PADDLE_CUDA alone if it is set."""
    chosen = os.environ.get("PADDLE_CUDA")
    if chosen:
        return [chosen]
    return [
        build.name
        for build in BUILDS
        if driver.cuda >= build.cuda
        and (driver.capability is None or build.oldest <= driver.capability <= build.newest)
    ]


def install_gpu(driver: Driver) -> Optional[str]:
    """Install a GPU build and try it. Returns None, or why it cannot be used and what to do."""
    cuda, builds = ".".join(map(str, driver.cuda)), builds_for(driver)
    if not builds:
        return f"no build of Paddle fits a driver for CUDA {cuda}; update the driver"
    base = os.environ.get("PADDLE_INDEX") or INDEX
    for build in builds:
        index = f"{base.rstrip('/')}/{build}/"
        print(f"NVIDIA driver for CUDA {cuda}: Paddle's build {build} from {index}", flush=True)
        if _install_from(index):
            return check()
    print(f"{base} has no build for this Python and driver: trying PyPI", flush=True)
    if not _pip("install", GPU):
        return f"neither {base} nor PyPI has a GPU build for this Python; see docs/install.md"
    return check()


def _install_from(index: str) -> bool:
    """Paddle itself from this index alone; what it requires from there, or from where pip looks anyway."""
    if not _pip("install", "--no-deps", "--index-url", index, GPU):
        return False
    if _pip("install", "--extra-index-url", index, GPU):
        return True
    _uninstall()
    return False


def check() -> Optional[str]:
    """Run Paddle's own check on the GPU. Returns None, or what it said and what to do."""
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return None
    text = f"{done.stdout}\n{done.stderr}"
    for pattern, advice in ADVICE:
        if re.search(pattern, text, re.I):
            return advice
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"Paddle's check ended with: {lines[-1][:200] if lines else done.returncode}"


def install_cpu() -> None:
    """Install the CPU build, and OpenVINO, which is faster than Paddle there."""
    if not _pip("install", *CPU):
        raise UserError("pip could not install Paddle; its message is above")


def add_openvino() -> None:
    """Install OpenVINO beside a Paddle that is there already; if pip cannot, a line says what that means."""
    print(
        "no NVIDIA driver: OpenVINO, which is several times faster than Paddle on a CPU", flush=True
    )
    if not _pip("install", OPENVINO):
        print("OpenVINO could not be installed; Paddle will compute, more slowly")


def _uninstall() -> None:
    """Remove both builds: they own the same folder."""
    _pip("uninstall", "-y", "-q", "paddlepaddle", "paddlepaddle-gpu")


def _pip(*words: str) -> bool:
    """True if pip succeeds; it writes to the terminal."""
    command = [sys.executable, "-m", "pip", *words, "--disable-pip-version-check"]
    return subprocess.run(command, check=False).returncode == 0


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument("--force", action="store_true", help="also where Paddle is installed")
    options = parser.parse_args(argv)
    if util.find_spec("paddle") and not options.force:
        print("using the installed Paddle", flush=True)
        if not util.find_spec("openvino") and find_driver() is None:
            add_openvino()
        return 0
    _uninstall()
    driver = find_driver()
    if driver is None:
        print("no NVIDIA driver: the CPU build of Paddle", flush=True)
        install_cpu()
        return 0
    reason = install_gpu(driver)
    if reason is None:
        print("Paddle's check on the GPU passed")
        return 0
    _uninstall()
    install_cpu()
    print(f"the CPU build is installed: {reason}, then run: {this_command()} --force")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
