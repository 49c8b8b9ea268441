"""A wheel of this repository, built, installed into an empty environment, and used from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP = ("pyproject.toml", "README.md", "LICENSE", "requirements-common.txt")
WEIGHTS = "work/pretrained_models/embedded.pdparams"
GANS = "work/pretrained_models/ageing_gans.pdparams"
REAGER = "work/pretrained_models/reaging.pdparams"
MATTE = "work/pretrained_models/person_matte.pdparams"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what the wheel is built from: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in TOP:
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("work", "convert_weights"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / WEIGHTS).with_name("fetched.pdparams").write_bytes(b"a user's own weights")
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    flags = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    command = [sys.executable, "-m", "pip", "wheel", *flags, "--wheel-dir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with this wheel, and what it requires from the environment of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    run = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(run, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    packages = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    (site / "requirements.pth").write_text("\n".join(dict.fromkeys(packages)))
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    return folder


@pytest.fixture
def installed(environment, tmp_path):
    """Run a command of that environment in an empty folder; its output."""
    home = {
        "PADDLE_SAM_HOME": str(tmp_path / "cache"),
        "PATH": os.environ["PATH"],
        "COLUMNS": "999",
    }

    def run(program, *words):
        command = [str(environment / "bin" / program), *map(str, words)]
        done = subprocess.run(
            command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_it_holds_every_file_of_the_package_and_no_others(wheel, source):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path for name in ("work", "convert_weights") for path in (source / name).rglob("*")}
    wanted = {path.relative_to(source).as_posix() for path in files if path.is_file()}
    shipped = {WEIGHTS, GANS, REAGER, MATTE}
    others = {name for name in wanted if name.endswith((".gitkeep", ".pdparams"))} - shipped
    assert shipped | {MATTE.replace(".pdparams", ".LICENSE")} <= inside
    assert "work/pretrained_models/fetched.pdparams" in others
    assert inside == wanted - others


def test_it_holds_the_licence_and_what_it_requires(wheel):
    archive = zipfile.ZipFile(wheel)
    texts = {name.rpartition("/")[2]: name for name in archive.namelist() if "dist-info" in name}
    assert archive.read(texts["LICENSE"]) == (ROOT / "LICENSE").read_bytes()
    metadata = archive.read(texts["METADATA"]).decode()
    assert "Requires-Dist: numpy" in metadata and "Requires-Dist: paddlepaddle" not in metadata


def test_the_command_runs(installed):
    assert "age_photo" in installed("paddle-sam", "--help")
    assert installed("paddle-sam", "--version").startswith("paddle-sam ")
    assert "paddle-sam age_photo me.jpg" in installed("paddle-sam", "age_photo", "--help")


def test_what_it_says_can_be_typed_without_a_clone(installed, tmp_path):
    help_text = "".join(installed("paddle-sam", "convert", "--help").split())  # lines may break
    assert f"(default:{tmp_path / 'cache'})" in help_text and ".py" not in help_text


def test_its_weights_are_read_from_another_folder(installed, environment):
    code = (
        "import work\n"
        "from work.installation import PACKAGE_FOLDER\n"
        "from work.models.checkpoint import read_checkpoint\n"
        "state = read_checkpoint(PACKAGE_FOLDER / 'embedded.pdparams').state_dict\n"
        "print(work.__file__)\n"
        "print(sum(state[name].size for name in state))\n"
    )
    file, count = installed("python", "-c", code).split()
    assert environment in Path(file).parents
    from work.models.checkpoint import read_checkpoint

    state = read_checkpoint(ROOT / WEIGHTS).state_dict
    assert int(count) == sum(state[name].size for name in state) > 1e6


def test_its_operators_sources_are_found(installed):
    code = (
        "from work.training.ranger_op import build as b\n"
        "names = (*b.HOST_SOURCES, b.CUDA_SOURCE, *b.HEADERS)\n"
        "print(all((b.FOLDER / name).is_file() for name in names))"
    )
    assert installed("python", "-c", code).strip() == "True"
