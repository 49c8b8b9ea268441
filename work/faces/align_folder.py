"""Align every face of a folder of photos, in parallel and resumably."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from work.datasets.folders import result_names, without_results
from work.datasets.images import ImageError, find_images, read_image, save_image
from work.errors import shown
from work.files import atomic_write, check_folder
from work.progress import progress, say
from work.workers import run_parallel

NO_FACE = "no_face.txt"


@dataclass
class CropJob:
    """One photo: where it is, where its crop goes, which crops to make."""

    source: Path
    target: Path
    size: int
    all_faces: bool


@dataclass
class CropResult:
    """What became of a photo: the crops that were written; none and no error means no face."""

    source: Path
    written: list[Path]
    error: str = ""


def align_folder(
    root: Path,
    out: Path,
    workers: int = 1,
    all_faces: bool = False,
    size: int = 256,
    device: str = "auto",
) -> int:
    """Write the FFHQ-aligned crops of all photos below `root` to the same places below `out`.

    A photo whose crop is there already is skipped, and counted. Photos without a face are listed in
    `out`/no_face.txt.

    Args:
        workers: processes.
        all_faces: every face, as NAME_0, NAME_1, ... from the largest on; otherwise the largest as NAME.
        size: of the crops, px.

    Returns:
        The exit code: 0, 1 if photos were without a face or unreadable, 2 if nothing could be aligned.
    """
    paths = without_results(find_images(root), root, out)
    check_folder(out)
    names = result_names(paths, root)
    jobs = [CropJob(path, out / name, size, all_faces) for path, name in zip(paths, names)]
    todo = [job for job in jobs if not _done(job)]
    if len(todo) < len(jobs):
        print(
            f"{len(jobs) - len(todo)} of {len(jobs)} are aligned already (delete {out} to do them again)"
        )
    results = []
    with progress(total=len(todo), unit="img") as bar:
        for result in run_parallel(align_photo, todo, workers, _make_detector, device=device):
            results.append(result)
            bar.update()
    return _report(results, len(jobs) - len(todo), out)


def _done(job: CropJob) -> bool:
    target = _numbered(job.target, 0) if job.all_faces else job.target
    return target.is_file()


def _numbered(path: Path, index: int) -> Path:
    return path.with_name(f"{path.stem}_{index}{path.suffix}")


def _make_detector():
    from work.faces.detect import FaceDetector

    return FaceDetector()


def align_photo(detector, job: CropJob) -> CropResult:
    """Detect, cut and save the faces of one photo."""
    from work.faces.align import align

    try:
        photo = read_image(job.source)
    except ImageError as error:
        return CropResult(job.source, [], error.reason)
    faces = detector(photo).landmarks
    chosen = faces if job.all_faces else faces[:1]
    targets = [
        _numbered(job.target, i) if job.all_faces else job.target for i in range(len(chosen))
    ]
    # Number 0 is written last: it marks the photo as done.
    pairs = list(zip(chosen, targets))[::-1]
    return CropResult(
        job.source, [save_image(align(photo, x, job.size).image, path) for x, path in pairs]
    )


def _report(results: list[CropResult], before: int, out: Path) -> int:
    bad = sorted((o.source, o.error) for o in results if o.error)
    faceless = sorted(o.source for o in results if not o.error and not o.written)
    crops = sum(len(o.written) for o in results)
    for path, reason in bad:
        say(f"failed: {path}: {reason}")
    for path in faceless:
        say(f"no face: {path}")
    if faceless:
        with atomic_write(out / NO_FACE) as temporary:
            text = "".join(f"{shown(path)}\n" for path in faceless)
            temporary.write_text(text, encoding="utf-8")
    else:
        (out / NO_FACE).unlink(missing_ok=True)
    print(f"{crops} faces from {len(results) - len(bad) - len(faceless)} photos in {out}")
    if bad or faceless:
        print(f"{len(faceless)} photos without a face, {len(bad)} that could not be read")
        return 1 if crops or before else 2
    return 0
