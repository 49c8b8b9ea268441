"""Sample faces: two public-domain photos that come with the dependencies, and two generated faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
from PIL import Image

from work.datasets.images import read_image, save_image
from work.datasets.transforms import to_picture
from work.faces.aligned import find_largest
from work.faces.detect import FaceDetector
from work.loading import load_network
from work.models.mobile_stylegan import MobileStyleGAN

# Seeds of the embedded generator, found by looking: a toddler and a man with a white beard.
GENERATED = {"generated_child": 47, "generated_old_man": 114}
TRUNCATION = 0.75


def sample_photos() -> dict[str, Image.Image]:
    """Eileen Collins (NASA) and Grace Hopper (US Navy), as RGB photos by name."""
    from matplotlib import cbook
    from skimage import data

    hopper = read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return {"astronaut": Image.fromarray(data.astronaut()), "grace_hopper": hopper}


@paddle.no_grad()
def generated_face(generator: MobileStyleGAN, seed: int) -> Image.Image:
    """A face of the embedded generator, 1024 px, pulled a little towards the mean."""
    z = np.random.default_rng(0).standard_normal((4096, 512)).astype(np.float32)
    mean = generator.map(paddle.to_tensor(z)).mean(axis=0, keepdim=True)
    own = np.random.default_rng(seed).standard_normal((1, 512)).astype(np.float32)
    w = mean + TRUNCATION * (generator.map(paddle.to_tensor(own)) - mean)
    return to_picture(generator(w.unsqueeze(1).tile([1, generator.n_styles, 1]))[0].numpy())


def save_sample_faces(folder: Path, size: int = 1024) -> Path:
    """Write the four faces, aligned as FFHQ, as PNG files into `folder` and return it; keeps what is there."""
    missing = [n for n in GENERATED if not (folder / f"{n}.png").is_file()]
    if missing:
        generator = load_network("mobile_stylegan")
        for name in missing:
            save_image(generated_face(generator, GENERATED[name]), folder / f"{name}.png")
    photos = {n: p for n, p in sample_photos().items() if not (folder / f"{n}.png").is_file()}
    if photos:
        detector = FaceDetector()
        for name, photo in photos.items():
            path = folder / f"{name}.png"
            save_image(find_largest(detector, photo, path).picture(size), path)
    return folder
