"""install_paddle.py with a made-up nvidia-smi, on an index of tiny wheels that is served on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from work.scripts import install_paddle
from work.scripts.install_paddle import Driver, builds_for

ROOT = Path(__file__).resolve().parents[2]
SMI = """#!/bin/sh
case "$1" in
  "") echo "| NVIDIA-SMI 999.9   Driver Version: 999.9   CUDA Version: {cuda}     |" ;;
  --query-gpu=compute_cap) echo "{capability}" ;;
  *) exit 1 ;;
esac
exit {code}
"""
PADDLE = """
build = {build!r}
class device:
    def set_device(name): pass
class utils:
    def run_check():
        if {error!r}:
            raise OSError({error!r})
        print("PaddlePaddle works well on 1 GPU.")
"""


def make_wheel(folder: Path, name: str, version: str, requires: str = "", code: str = "") -> None:
    """A wheel, under its name in an index folder; with `code` it holds the module paddle."""
    base = f"{name.replace('-', '_')}-{version}"
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{base}.dist-info/METADATA": metadata,
        f"{base}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if code:
        files["paddle/__init__.py"] = code
    record = "".join(f"{path},,\n" for path in (*files, f"{base}.dist-info/RECORD"))
    with zipfile.ZipFile(folder / f"{base}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{base}.dist-info/RECORD": record}.items():
            archive.writestr(path, text)


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


class Machine:
    """A machine with pip, a PyPI that has Paddle 2.6.2, and Paddle's own index as a test fills it."""

    def __init__(self, folder: Path, python: Path, address: str):
        self.folder, self.python = folder, python
        (folder / "bin").mkdir()
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PIP_INDEX_URL": f"{address}/pypi/",
            "PIP_CONFIG_FILE": os.devnull,
            "PADDLE_INDEX": f"{address}/stable",
        }
        pypi = folder / "pypi"
        for name, version, build in (
            ("paddlepaddle-gpu", "2.6.2", "PyPI"),
            ("paddlepaddle", "3.3.1", "CPU"),
        ):
            make_wheel(pypi, name, version, code=PADDLE.format(build=build, error=""))
        make_wheel(pypi, "openvino", "2025.0")

    def index(self, build: str, error: str = "") -> None:
        """Put a build into Paddle's index; its check fails with `error`."""
        folder, cuda = self.folder / "stable" / build, f"nvidia-{build}"
        code = PADDLE.format(build=build, error=error)
        make_wheel(folder, "paddlepaddle-gpu", "3.3.1", requires=cuda, code=code)
        make_wheel(folder, cuda, "1.0")

    def gpu(self, cuda: str, capability: str = "8.6", code: int = 0) -> None:
        path = self.folder / "bin" / "nvidia-smi"
        path.write_text(SMI.format(cuda=cuda, capability=capability, code=code))
        path.chmod(0o755)

    def install(self, *flags: str, **environment: str) -> tuple[str, str]:
        """What the script prints, and the build that `import paddle` finds then."""
        script = str(ROOT / "work/scripts/install_paddle.py")
        done = subprocess.run(
            [str(self.python), script, *flags],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ask = [str(self.python), "-c", "import paddle; print(paddle.build)"]
        found = subprocess.run(ask, capture_output=True, text=True, check=True)
        return done.stdout, found.stdout.strip()

    def packages(self) -> str:
        command = [str(self.python), "-m", "pip", "list", "--disable-pip-version-check"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine(python, tmp_path):
    Quiet.asked = []
    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Machine(tmp_path, python, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_the_newest_build_that_the_driver_supports(machine):
    machine.gpu("12.6")
    for build in ("cu118", "cu126", "cu129"):
        machine.index(build)
    out, build = machine.install("--force")
    assert build == "cu126" and "check on the GPU passed" in out
    assert "nvidia-cu126" in machine.packages()  # what it requires, from the same index
    out, build = machine.install()
    assert build == "cu126" and out == "using the installed Paddle\n"


def test_an_older_build_where_the_newest_is_not_offered(machine):
    machine.gpu("12.9")
    machine.index("cu118")
    assert machine.install("--force")[1] == "cu118"


def test_pypi_where_the_index_has_nothing(machine):
    machine.gpu("12.9")
    out, build = machine.install("--force")
    assert build == "PyPI" and "trying PyPI" in out


def test_the_cpu_build_where_the_check_fails(machine):
    machine.gpu("12.9")
    machine.index("cu129", "CUDA error(209), no kernel image is available for execution")
    out, build = machine.install("--force")
    assert build == "CPU" and "paddlepaddle-gpu" not in machine.packages()
    last = out.splitlines()[-1]
    assert last.startswith("the CPU build is installed: this build has no kernels for this card")
    assert "PADDLE_CUDA=cu118" in last and last.endswith("install_paddle.py --force")


def test_a_build_can_be_named(machine):
    machine.gpu("12.9")
    machine.index("cu118")
    machine.index("cu129", "no kernel image")
    assert machine.install("--force", PADDLE_CUDA="cu118")[1] == "cu118"


@pytest.mark.parametrize("code", [9, None])
def test_the_cpu_build_where_there_is_no_driver(machine, code):
    machine.index("cu129")
    if code:
        machine.gpu("12.9", code=code)
    out, build = machine.install("--force")
    assert build == "CPU" and "no NVIDIA driver" in out and "openvino" in machine.packages()
    assert not [path for path in Quiet.asked if path.startswith("/stable")]


def test_openvino_comes_beside_an_installed_paddle(machine):
    machine.install("--force")
    uninstall = [str(machine.python), "-m", "pip", "uninstall", "-y", "openvino"]
    subprocess.run(uninstall, check=True, capture_output=True)
    out, build = machine.install(PIP_NO_INDEX="1")
    assert build == "CPU" and "Paddle will compute, more slowly" in out
    out, build = machine.install()
    assert build == "CPU" and "openvino" in machine.packages()


def test_a_driver_that_no_build_fits(machine):
    machine.gpu("10.2")
    out, build = machine.install("--force")
    assert build == "CPU" and "fits a driver for CUDA 10.2; update the driver" in out


@pytest.mark.parametrize(
    ("cuda", "capability", "builds"),
    [
        ((13, 0), (8, 6), ["cu129", "cu126", "cu118"]),
        ((12, 4), (9, 0), ["cu126", "cu118"]),
        ((12, 2), None, ["cu118"]),
        ((12, 9), (6, 1), ["cu118"]),  # Pascal
        ((12, 9), (12, 0), ["cu129"]),  # Blackwell
        ((12, 6), (12, 0), []),
    ],
)
def test_builds_by_driver_and_card(cuda, capability, builds, monkeypatch):
    monkeypatch.delenv("PADDLE_CUDA", raising=False)
    assert builds_for(Driver(cuda, capability)) == builds


def test_the_oldest_of_several_cards_counts(tmp_path, monkeypatch):
    path = tmp_path / "nvidia-smi"
    path.write_text(SMI.format(cuda="12.9", capability="8.6\n6.1", code=0))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert install_paddle.find_driver() == Driver((12, 9), (6, 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Cannot load cudnn shared library", "LD_LIBRARY_PATH"),
        ("CUDA driver version is insufficient for CUDA runtime version", "update it"),
        ("something else", "ended with: OSError: something else"),
    ],
)
def test_a_failed_check_says_what_helps(tmp_path, monkeypatch, text, reason):
    (tmp_path / "paddle.py").write_text(PADDLE.format(build="x", error=text))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert reason in install_paddle.check()


def test_the_requirements_files_ask_for_the_same():
    for file, wanted in (
        ("requirements-cpu.txt", install_paddle.CPU),
        ("requirements.txt", (install_paddle.GPU,)),
    ):
        lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
        assert set(wanted) == {line for line in lines if line and not line.startswith("-r")}
