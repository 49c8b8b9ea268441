"""Folders of results: flat, or one folder per target age as `inference.py` writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from work.datasets.images import find_images


@dataclass(frozen=True)
class Result:
    """One picture to judge.

    Attributes:
        age: the name of its folder, a target age in years; "" in a flat folder.
        name: its path below that folder, without the suffix.
        partner: the picture to compare it with, if there is one.
    """

    path: Path
    age: str
    name: str
    partner: Path | None = None


def is_age(name: str) -> bool:
    """Whether a folder's name is a target age, such as 30 or 62.5."""
    return name.replace(".", "", 1).isdigit()


def list_results(data_path: str | Path, gt_path: str | Path | None = None) -> list[Result]:
    """List the pictures below `data_path` with their partners, which have the same name below `gt_path`.

    Raises:
        UserError: a folder is missing or holds no image.
    """
    root = Path(data_path)
    partners = _by_name(Path(gt_path)) if gt_path is not None else {}
    results = []
    for path in find_images(root):
        below = path.relative_to(root) if root.is_dir() else Path(path.name)
        age = below.parts[0] if len(below.parts) > 1 and is_age(below.parts[0]) else ""
        name = str((below.relative_to(age) if age else below).with_suffix(""))
        results.append(Result(path, age, name, partners.get(name)))
    return sorted(results, key=lambda r: (float(r.age or -1), r.name))


def _by_name(root: Path) -> dict[str, Path]:
    base = root if root.is_dir() else root.parent
    return {str(path.relative_to(base).with_suffix("")): path for path in find_images(root)}
