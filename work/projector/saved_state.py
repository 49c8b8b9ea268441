"""The saved state of a projection, from which it goes on after an interruption."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from work.configs.project_options import ProjectOptions
from work.faces.aligned import AlignedFace
from work.models.checkpoint import read_checkpoint, save_checkpoint
from work.projector.projection import Projection

# What makes another course of the optimisation; `step` does not, so that more steps can be added.
COURSE = ("ckpt", "start_lr", "final_lr", "latent_level", "mse_weight", "lpips_net", "no_encoder")
COURSE += ("optimize_noise", "noise_weight", "seed")


@dataclass
class Job:
    """One face: the file, the path of its results without suffix, its projection, its film's JPEG frames by step."""

    face: AlignedFace
    target: Path
    projection: Projection
    frames: dict[int, bytes] = field(default_factory=dict)

    def path(self, ending: str) -> Path:
        return self.target.with_name(self.target.name + ending)


def course(job: Job, options: ProjectOptions) -> dict[str, Any]:
    """What a saved state has to agree with to be gone on from."""
    pixels = job.projection.face.numpy().tobytes() + job.projection.mask.numpy().tobytes()
    return {
        **{name: getattr(options, name) for name in COURSE},
        "pixels": hashlib.sha256(pixels).hexdigest(),
    }


def state_path(job: Job, options: ProjectOptions) -> Path:
    """`state` below the output folder; who deletes it starts again."""
    name = job.target.relative_to(options.output)
    return Path(options.output, "state", f"{name}.pd")


def save_state(job: Job, options: ProjectOptions) -> None:
    """Write all that going on needs, whole or not at all."""
    state = job.projection.state()
    for step, data in job.frames.items():
        state[f"frame.{step}"] = np.frombuffer(data, np.uint8)
    save_checkpoint(state_path(job, options), "projection_state", state, opts=course(job, options))


def resume(job: Job, options: ProjectOptions) -> None:
    """Go on from a saved state, if there is one of the same course; say so."""
    path = state_path(job, options)
    if not path.is_file():
        return
    saved = read_checkpoint(path)
    if saved.opts != course(job, options):
        print(f"{job.face.path}: {path} is of other options or another picture; starts again")
        return
    state = {name: saved.state_dict[name] for name in saved.state_dict}
    frames = {name: state.pop(name) for name in list(state) if name.startswith("frame.")}
    job.frames = {int(name[len("frame.") :]): x.tobytes() for name, x in frames.items()}
    job.projection.resume(state)
    if options.save_mp4 and not job.frames:
        print(f"{job.face.path}: no frames were kept so far; the film starts here")
    print(f"{job.face.path}: goes on from step {job.projection.steps}")
