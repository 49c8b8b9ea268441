"""An aligned face: a picture of one, or the part of a photo where one was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

import numpy as np
import paddle
from PIL import Image

from work.datasets.images import ImageError, read_image
from work.datasets.photo_info import give_profile
from work.datasets.transforms import to_input
from work.faces.align import crop_matrix, cut, ffhq_quad
from work.faces.detect import FaceDetector

ENCODED = 256  # px at which encoders and small networks see a face
KEPT = 512  # px up to which it is computed once: the direct network's


@dataclass
class AlignedFace:
    """A face in FFHQ's pose, with as many pixels as are asked for.

    Attributes:
        photo: RGB, any size.
        quad: [4, 2] the face's corners in the photo, as `ffhq_quad` orders them; None if the photo is the face.
        landmarks: [5, 2] in pixels of the photo, if they were looked for.
        path: the photo's file, if it has one.
    """

    photo: Image.Image
    quad: Optional[np.ndarray] = None
    landmarks: Optional[np.ndarray] = None
    path: Optional[Path] = None
    _values: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def picture(self, size: int) -> Image.Image:
        """The face, RGB, size x size."""
        if self.quad is not None:
            return give_profile(cut(self.photo, self.quad, size).image, self.photo)
        return self.photo.resize((size, size), Image.Resampling.BILINEAR)

    def corners(self) -> np.ndarray:
        """The quad, or the corners [4, 2] of a photo that is the face."""
        if self.quad is not None:
            return self.quad
        width, height = self.photo.size
        return np.array([[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]])

    def values(self, size: int = ENCODED) -> np.ndarray:
        """The face, float32 [3, size, size] in [-1, 1]; computed once up to KEPT px."""
        if size not in self._values:
            values = to_input(self.picture(size), size)
            if size > KEPT:
                return values
            self._values[size] = values
        return self._values[size]

    def tensor(self, size: int = ENCODED) -> paddle.Tensor:
        """The face, [1, 3, size, size] in [-1, 1]."""
        return paddle.to_tensor(self.values(size)[None])

    def coverage(self, size: int = ENCODED) -> np.ndarray:
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


def stack(faces: Sequence[AlignedFace], size: int = ENCODED) -> paddle.Tensor:
    """Faces as one tensor [N, 3, size, size] in [-1, 1]."""
    return paddle.to_tensor(np.stack([face.values(size) for face in faces]))


def read_aligned(path: Path) -> AlignedFace:
    """A file that is an aligned face. Raises ImageError if it cannot be read."""
    return AlignedFace(read_image(path), path=path)


class FaceReader:
    """Reads photos and finds the largest face of each.

    Args:
        no_crop: the photos are aligned faces already; no face is searched for.
    """

    def __init__(self, no_crop: bool = False):
        self.detector = None if no_crop else FaceDetector()

    def __call__(self, path: Union[str, Path]) -> AlignedFace:
        """The face of one file.

        Raises:
            ImageError: the file cannot be read, or no face is found in it.
        """
        path = Path(path)
        if self.detector is None:
            return read_aligned(path)
        photo = read_image(path)
        try:
            return find_largest(self.detector, photo, path)
        except ImageError as error:
            hint = "an aligned face already? then add --no_crop"
            raise ImageError(path, f"{error.reason} ({hint})") from None


def find_largest(detector: FaceDetector, photo: Image.Image, path: Path) -> AlignedFace:
    """The largest face of a photo, with landmarks. Raises ImageError, which names the file, if there is none."""
    landmarks = detector(photo).landmarks
    if not len(landmarks):
        raise ImageError(path, "no face found")
    return AlignedFace(photo, ffhq_quad(landmarks[0]), landmarks[0], path)
