"""Public-domain faces that come with scikit-image and matplotlib."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from work.datasets.images import save_image

# (left, top, right, bottom) of a crop framed as FFHQ frames a face.
ASTRONAUT_BOX = (124, 10, 324, 210)
HOPPER_BOX = (100, 20, 420, 340)


def sample_photos() -> dict[str, Image.Image]:
    """Eileen Collins (NASA) and Grace Hopper (US Navy), as RGB photos by name."""
    from matplotlib import cbook
    from skimage import data

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    return {"astronaut": Image.fromarray(data.astronaut()), "grace_hopper": hopper}


def save_sample_faces(folder: Path) -> Path:
    """Write the cropped faces as PNG files into `folder` and return it."""
    boxes = {"astronaut": ASTRONAUT_BOX, "grace_hopper": HOPPER_BOX}
    for name, photo in sample_photos().items():
        save_image(photo.crop(boxes[name]), folder / f"{name}.png")
    return folder
