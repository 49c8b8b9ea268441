"""Files in, projections out: what project.py reads and writes, and how it resumes after an interruption."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import numpy as np
import paddle
from PIL import Image

from work.configs.project_options import ProjectOptions
from work.datasets.folders import result_names
from work.datasets.images import ImageError, find_images, open_image, read_image, save_image
from work.datasets.transforms import to_picture
from work.datasets.video import find_ffmpeg, write_film
from work.errors import UserError
from work.faces.aligned import AlignedFace, FaceReader
from work.files import check_folder
from work.loading import load_lpips
from work.models.checkpoint import save_checkpoint
from work.progress import progress, say
from work.projector.aged import age_projected, check_ages
from work.projector.projection import Projection
from work.projector.projector import Projector, run
from work.projector.saved_state import ProjectedFace, resume, save_state
from work.projector.spaces import Space, load_space
from work.report import Report

FPS, FRAMES, FRAME_SIZE = 30, 150, 512  # the film of the optimisation: 5 s


def project_files(paths: list[Path], options: ProjectOptions) -> int:
    """Project the faces of files and folders into `options.output`; the exit code."""
    found = list_files(paths)
    check_folder(options.output)
    if options.save_mp4:
        find_ffmpeg()  # better now than after the work
    space = load_space(options, options.blend)
    if options.ages:
        check_ages(space.model, options.ckpt)
    projector = Projector(space, load_lpips(options.lpips_net), options)
    read, report = FaceReader(options.no_crop), Report()
    for start in range(0, len(found), options.batch_size):
        part = dict(list(found.items())[start : start + options.batch_size])
        jobs = start_or_resume(part, read, projector, options, report)
        optimise(jobs, projector, options)
        for job in jobs:
            save_results(job, space, options)
            report.done += 1
    return report.finish(Path(options.output))


def list_files(paths: list[Path]) -> dict[Path, Path]:
    """Names of results, without suffix, and their files; masks are left out.

    Raises:
        UserError: nothing there, or two files with one name.
    """
    found: dict[Path, Path] = {}
    for root in paths:
        files = [p for p in find_images(root) if not p.name.lower().endswith(".mask.png")]
        for file, name in zip(files, result_names(files, root, suffix="")):
            if name in found:
                raise UserError(f"{found[name]} and {file} have one name; project them one by one")
            found[name] = file
    if not found:
        raise UserError(f"nothing but masks in {', '.join(map(str, paths))}")
    return found


def start_or_resume(
    part: dict[Path, Path],
    read: FaceReader,
    projector: Projector,
    options: ProjectOptions,
    report: Report,
) -> list[ProjectedFace]:
    """Read some files and start their projections, or resume them from their saved states."""
    jobs = []
    for name, path in part.items():
        try:
            face = read(path)
            mask = read_mask(face, path)
        except ImageError as error:
            report.failed.append(error)
            continue
        (projection,) = projector.start(face.tensor(), paddle.to_tensor(mask[None, None]))
        jobs.append(ProjectedFace(path, face, Path(options.output) / name, projection))
        resume(jobs[-1], options)
    return jobs


def read_mask(face: AlignedFace, source: Path) -> np.ndarray:
    """Where a face counts, [256, 256] from 0 to 1: NAME.mask.png for an aligned one, else inside the photo.

    Raises:
        ImageError: a mask of another shape than its picture, or one that leaves nothing.
    """
    path = source.with_name(f"{source.stem}.mask.png")
    if face.quad is not None or not path.is_file():
        return face.coverage()
    mask = read_image(path).convert("L")
    if mask.size != face.photo.size:
        raise ImageError(path, f"{mask.size} px, but {source.name} has {face.photo.size}")
    values = np.asarray(mask.resize((256, 256), Image.Resampling.BILINEAR), np.float32) / 255
    if values.mean() < 0.01:
        raise ImageError(path, "black: nothing is left to count; white parts count")
    return values


def optimise(jobs: list[ProjectedFace], projector: Projector, options: ProjectOptions) -> None:
    """Run a batch to its end under a progress bar with the means of both losses; save states on the way."""
    owners = {id(job.projection): job for job in jobs}
    todo = sum(max(0, options.step + 1 - len(job.projection.losses)) for job in jobs)
    stride = -(-(options.step + 1) // FRAMES)
    with progress(total=todo, unit="step") as bar:

        def on_share(active: list[Projection], images: paddle.Tensor) -> None:
            for projection, image in zip(active, images):
                job, step = owners[id(projection)], projection.steps
                if options.save_mp4 and (step % stride == 0 or projection.waiting):
                    job.frames[step] = encode_jpeg(image)
                if step % options.save_every == 0 or projection.waiting:
                    save_state(job, options)
            lpips, mse = np.mean([projection.losses[-1] for projection in active], axis=0)
            bar.set_note(f"LPIPS {lpips:.3f} MSE {mse:.4f}")
            bar.update(len(active))

        run(projector, [job.projection for job in jobs], on_share)


def encode_jpeg(image: paddle.Tensor) -> bytes:
    """An image [3, S, S] as a frame of the film."""
    picture = to_picture(image.numpy()).resize((FRAME_SIZE, FRAME_SIZE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=92)
    return data.getvalue()


def draw_film(job: ProjectedFace) -> Iterator[Image.Image]:
    """The photo and, beside it, the course of the optimisation in 150 frames."""
    steps = sorted(job.frames)
    shown = np.linspace(steps[0], steps[-1], FRAMES)
    frame = Image.new("RGB", (2 * FRAME_SIZE, FRAME_SIZE))
    frame.paste(job.face.picture(FRAME_SIZE), (0, 0))
    for at in np.searchsorted(steps, shown, side="right") - 1:
        with open_image(io.BytesIO(job.frames[steps[at]])) as found:
            frame.paste(found, (FRAME_SIZE, 0))
        yield frame


def save_results(job: ProjectedFace, space: Space, options: ProjectOptions) -> None:
    """Write NAME.pd, NAME-project.png, the film, the aged faces, and print one line."""
    projection = job.projection
    numbers: dict[str, float] = {}
    index = int(np.argmin(projection.totals))
    for name, column in (("lpips", 0), ("mse", 1)):
        numbers[name] = projection.losses[index][column]
        numbers[f"start_{name}"] = projection.losses[0][column]
    about = {"source": job.source.name, "ckpt": options.ckpt, "step": index, **numbers}
    found = {name: value[0] for name, value in projection.best.items()}
    found["losses"] = np.asarray(projection.losses, np.float32)
    save_checkpoint(job.path(".pd"), "projection", found, opts=about)
    with lend_noise(space, projection), paddle.no_grad():
        w_plus = paddle.to_tensor(projection.best["w_plus"])
        image = space.draw(w_plus, full=True)
        save_image(to_picture(image[0].numpy()), job.path("-project.png"))
        if options.ages:
            model = check_ages(space.model, options.ckpt)
            images = age_projected(model, job.face, w_plus, options.ages)
            for target, image in zip(options.ages, images):
                save_image(to_picture(image[0].numpy()), job.path(f"-project_{target.text}.png"))
    if options.save_mp4 and job.frames:
        write_film(draw_film(job), job.path("-project.mp4"), FPS)
    say(
        f"{job.source}: LPIPS {numbers['start_lpips']:.3f} -> {numbers['lpips']:.3f}, "
        f"MSE {numbers['start_mse']:.4f} -> {numbers['mse']:.4f} (step {index} of {projection.steps})"
    )


@contextmanager
def lend_noise(space: Space, projection: Projection) -> Iterator[None]:
    """Lend the generator the noise maps that were found for a face."""
    maps = [projection.best[name] for name in projection.noise_names]
    stored = [x.numpy() for x in space.noise[: len(maps)]]
    for x, own in zip(space.noise, maps):
        x.set_value(own)
    try:
        yield
    finally:
        for x, old in zip(space.noise, stored):
            x.set_value(old)
