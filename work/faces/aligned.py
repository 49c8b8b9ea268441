"""One aligned face from a photo: the largest that is found, or the picture itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import paddle
from PIL import Image

from work.datasets.images import ImageError, read_image
from work.datasets.transforms import to_input
from work.faces.align import crop_matrix, cut, ffhq_quad
from work.faces.detect import FaceDetector


@dataclass
class AlignedFace:
    """A face in a photo; `quad` [4, 2] are its corners there, None if the photo is the face."""

    path: Path
    photo: Image.Image
    quad: Optional[np.ndarray] = None

    def picture(self, size: int) -> Image.Image:
        """The face, RGB, size x size."""
        if self.quad is not None:
            return cut(self.photo, self.quad, size).image
        return self.photo.resize((size, size), Image.Resampling.BILINEAR)

    def tensor(self, size: int = 256) -> paddle.Tensor:
        """The face, [1, 3, size, size] in [-1, 1]."""
        return paddle.to_tensor(to_input(self.picture(size), size)[None])

    def valid(self, size: int = 256) -> np.ndarray:
        """Where the photo shows the face, [size, size]: 1, and 0 where the crop reaches beyond the photo."""
        if self.quad is None:
            return np.ones((size, size), np.float32)
        at = np.arange(size) + 0.5
        x, y = np.meshgrid(at, at)
        (a, b, c), (d, e, f), _ = crop_matrix(self.quad, size)
        across, down = a * x + b * y + c, d * x + e * y + f
        width, height = self.photo.size
        inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
        return inside.astype(np.float32)


class FaceReader:
    """Reads photos and finds the largest face of each.

    Args:
        no_crop: the photos are aligned faces; nothing is looked for.
    """

    def __init__(self, no_crop: bool = False):
        self.detector = None if no_crop else FaceDetector()

    def __call__(self, path: Path) -> AlignedFace:
        """The face of one file.

        Raises:
            ImageError: the file cannot be read, or no face is found in it.
        """
        photo = read_image(path)
        if self.detector is None:
            return AlignedFace(path, photo)
        landmarks = self.detector(photo).landmarks
        if not len(landmarks):
            raise ImageError(path, "no face found (an aligned face already? then add --no_crop)")
        return AlignedFace(path, photo, ffhq_quad(landmarks[0]))
