"""Age one face that the embedded generator draws, and compare the pictures with numbers that are stored here.

`python -m work.checks.face` stores them anew, after a change of the model that is meant to move pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from work import runtime
from work.checks.outcome import Missing
from work.configs.weights import DEFAULT_WEIGHTS
from work.datasets.transforms import to_picture
from work.faces.aligned import AlignedFace
from work.faces.samples import GENERATED, generated_face
from work.inference.embedded.model import EmbeddedModel, load_embedded
from work.installation import command
from work.loading import load_network
from work.models.pretrained import installed

STORED = Path(__file__).with_name("face.json")
AGES = (20, 70)
# Of 255. OpenVINO, also in bf16, came within 0.7 of plain Paddle in float32; the two ages are 112 apart.
TOLERANCE = 3
GRID = 8  # the pictures are compared as means over GRID x GRID parts


def aged(offline: bool = False) -> str:
    """The face at AGES, drawn on this device by whatever computes here. Fetches weights that are missing.

    Raises:
        Missing: weights are missing, and `offline`.
    """
    absent = [name for name in DEFAULT_WEIGHTS if not installed(name)]
    if absent and offline:
        raise Missing(
            f"not tried: {', '.join(absent)} are missing ({command('get_weights')} --default)"
        )
    stored = np.array(json.loads(STORED.read_text())["means"])
    error = float(np.abs(measure(load_embedded(refine=0)) - stored).max())
    text = f"at {AGES[0]} and {AGES[1]} years differs from the stored one by {error:.2f} of 255"
    text += f" at most (tolerance {TOLERANCE})"
    if not error <= TOLERANCE:
        raise RuntimeError(text)
    return text


def measure(model: EmbeddedModel) -> np.ndarray:
    """Mean colours [ages, GRID, GRID, 3], 0 to 255, of the aged pictures of one drawn face."""
    face = generated_face(load_network("mobile_stylegan"), GENERATED["generated_old_man"])
    encoded = model.encode([AlignedFace(face)])
    pictures = [model.transform(encoded, paddle.to_tensor([float(age)])) for age in AGES]
    return np.stack([_means(to_picture(picture[0].numpy())) for picture in pictures])


def _means(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture, np.float64)
    part = len(pixels) // GRID
    return pixels.reshape(GRID, part, GRID, part, 3).mean(axis=(1, 3))


def store() -> None:
    """Write the numbers of this machine's plain Paddle as those to compare with."""
    runtime.setup("cpu", seed=0)
    means = measure(load_embedded(refine=0, engine="paddle"))
    STORED.write_text(json.dumps({"means": np.round(means, 2).tolist()}) + "\n")


if __name__ == "__main__":
    store()
