"""Bring a folder of large aligned faces (FFHQ, CelebA-HQ) to the size that training reads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Optional, Sequence, Union

from PIL import Image

from work.datasets.images import ImageError, find_images, open_image, read_image, save_image
from work.errors import UserError, shown
from work.files import atomic_write, check_folder
from work.progress import progress


@dataclass
class Prepared:
    """What happened to the files of a folder."""

    done: int = 0
    there: int = 0
    failed: list[ImageError] = field(default_factory=list)

    def exit_code(self) -> int:
        """0 all there, 1 some failed, 2 none could be used."""
        return 0 if not self.failed else 1 if self.done + self.there else 2


def prepare(
    root: Path,
    out: Path,
    size: int,
    suffix: str,
    workers: int,
    parts: Optional[Sequence[str]] = None,
) -> Prepared:
    """Write every image below `root` at `size` pixels into `out`, under the same path.

    The pixels are those that training would make of the large image itself (bilinear with anti-aliasing).
    What is there and newer than its source is left alone, so a stopped run resumes where it was; names of
    files that cannot be used are listed in `out`/bad_files.txt.

    Args:
        suffix: ".png" (no loss) or ".jpg" (quality 95).
        workers: threads; decoding and resizing release the GIL.
        parts: a folder below `out` for each image, in the order of `find_images`.

    Raises:
        UserError: no such folder, no image in it, or two images that would get the same name.
    """
    paths = find_images(root)
    base = root if root.is_dir() else root.parent
    targets = [
        out / part / path.relative_to(base).with_suffix(suffix)
        for path, part in zip(paths, parts or [""] * len(paths))
    ]
    _check_names(paths, targets)
    check_folder(out)
    result, pool = Prepared(), ThreadPoolExecutor(max(1, workers))
    try:
        jobs = pool.map(_prepare_one, paths, targets, repeat(size))
        for outcome in progress(jobs, total=len(paths)):
            if isinstance(outcome, ImageError):
                result.failed.append(outcome)
            elif outcome:
                result.done += 1
            else:
                result.there += 1
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C or on a full disk, what waits is dropped
    _list_bad(out / "bad_files.txt", result.failed)
    return result


def _prepare_one(path: Path, target: Path, size: int) -> Union[bool, ImageError]:
    """True if it was written, False if it was there, the error if it cannot be used."""
    try:
        if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
            with open_image(target) as there:
                if there.size == (size, size):
                    return False
        image = read_image(path)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(path, f"cannot be read ({error.strerror})")
    if image.width != image.height:
        return ImageError(
            path, f"{image.width}x{image.height} is not square; faces have to be aligned first"
        )
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    for name in ("exif", "rgba"):  # training looks at the pixels alone
        image.info.pop(name, None)
    save_image(image, target)
    return True


def _check_names(paths: list[Path], targets: list[Path]) -> None:
    first: dict[str, Path] = {}
    for path, target in zip(paths, targets):
        other = first.setdefault(str(target).lower(), path)
        if other is not path:
            raise UserError(
                f"{shown(other)} and {shown(path)} would both become {shown(target)}; rename one"
            )


def _list_bad(path: Path, failed: list[ImageError]) -> None:
    if not failed:
        path.unlink(missing_ok=True)
        return
    for error in failed:
        print(f"failed: {error}", file=sys.stderr)
    with atomic_write(path) as temporary:
        temporary.write_text("".join(f"{error}\n" for error in failed), encoding="utf-8")
