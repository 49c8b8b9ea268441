"""How this package is installed: what its commands are called, and where weights for it belong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from work.downloads import cache_folder

PACKAGE_FOLDER = Path(__file__).resolve().parent / "pretrained_models"
ROOT = Path(__file__).resolve().parents[1]
# In convert_weights/, the others in work/scripts/.
CONVERTERS = ("convert", "verify", "export_torch")


def is_checkout() -> bool:
    """True in a clone of the repository, False for an installed wheel, which has no scripts to call by path."""
    return (ROOT / "pyproject.toml").is_file()


def weights_folder() -> Path:
    """Where converted weights go by default: beside the package's own in a clone, else the cache of this user."""
    return PACKAGE_FOLDER if is_checkout() else cache_folder()


def this_command() -> str:
    """How this program was called, to be typed again: `paddle-sam NAME`, or `python FILE`."""
    path = Path(sys.argv[0])
    if path.suffix != ".py":
        return path.name
    inside = path.is_absolute() and Path.cwd() in path.parents
    return f"python {path.relative_to(Path.cwd()) if inside else path}"


def command(script: str) -> str:
    """How another script is called from the current folder, for messages: `command("convert")`."""
    if sys.argv[0].startswith("paddle-sam ") or not is_checkout():
        return f"paddle-sam {script}"
    folder, here = "convert_weights" if script in CONVERTERS else "work/scripts", Path.cwd()
    path = ROOT / folder / f"{script}.py"
    return f"python {os.path.relpath(path) if ROOT in (here, *here.parents) else path}"
