"""The saved state of a projection, from which it resumes after an interruption."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from work.configs.project_options import ProjectOptions
from work.faces.aligned import AlignedFace
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.progress import say
from work.projector.projection import Projection

# Options that must match before a saved state is resumed; not `step`, so that more steps can be added.
COURSE: tuple[str, ...] = (
    "ckpt",
    "start_lr",
    "final_lr",
    "latent_level",
    "mse_weight",
    "lpips_net",
    "no_encoder",
    "optimize_noise",
    "noise_weight",
    "seed",
)


@dataclass
class ProjectedFace:
    """One face: its file, the path of its results without suffix, its projection, its film's JPEG frames by step."""

    source: Path
    face: AlignedFace
    target: Path
    projection: Projection
    frames: dict[int, bytes] = field(default_factory=dict)

    def path(self, ending: str) -> Path:
        return self.target.with_name(self.target.name + ending)


def describe_course(job: ProjectedFace, options: ProjectOptions) -> dict[str, Any]:
    """Fields that must match before a saved state is resumed."""
    pixels = job.projection.face.numpy().tobytes() + job.projection.mask.numpy().tobytes()
    return {
        **{name: getattr(options, name) for name in COURSE},
        "pixels": hashlib.sha256(pixels).hexdigest(),
    }


def state_path(job: ProjectedFace, options: ProjectOptions) -> Path:
    """In the folder `state` below the output; delete it to start again."""
    name = job.target.relative_to(options.output)
    return Path(options.output, "state", f"{name}.pd")


def save_state(job: ProjectedFace, options: ProjectOptions) -> None:
    """Write all that resuming needs, whole or not at all."""
    state = job.projection.state()
    for step, data in job.frames.items():
        state[f"frame.{step}"] = np.frombuffer(data, np.uint8)
    save_checkpoint(
        state_path(job, options), "projection_state", state, opts=describe_course(job, options)
    )


def resume(job: ProjectedFace, options: ProjectOptions) -> None:
    """Resume a saved state, if there is one of the same course; say so."""
    path = state_path(job, options)
    if not path.is_file():
        return
    saved = read_checkpoint(path)
    if saved.opts != describe_course(job, options):
        say(f"{job.source}: {path} was made with other options or another picture; starting again")
        return
    state = {name: saved.state_dict[name] for name in saved.state_dict}
    frames = {name: state.pop(name) for name in list(state) if name.startswith("frame.")}
    job.frames = {int(name[len("frame.") :]): x.tobytes() for name, x in frames.items()}
    job.projection.resume(state)
    if options.save_mp4 and not job.frames:
        say(f"{job.source}: no frames were kept so far; the film starts here")
    say(f"{job.source}: resumes at step {job.projection.steps}")
