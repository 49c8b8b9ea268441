"""FFHQ alignment: from five landmarks to the crop that FFHQ models expect, and its exact inverse.

The quad is that of the FFHQ data set (Karras et al. 2019, "A Style-Based Generator Architecture for Generative
Adversarial Networks", appendix A, and Karras et al. 2018, appendix C): its centre lies a tenth of the way
from the eyes to the mouth, its half side is the larger of twice the distance of the eyes and 1.8 times the
distance from the eyes to the mouth. What the photo lacks is filled with its blurred reflection.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageFilter

# In units of the quad's side:
MARGIN = 0.1  # read around the quad too, for the filters
FILL = 0.3  # filled in at least, where the photo ends
BLUR = 0.02  # blur of what is filled in
FRONTAL = 0.01  # how far the nose may be off the middle of a frontal face
# How far the quad of a turned head is moved per unit beyond that, and at most.
HEAD_MOVES, MOST = (2.5, 0.12)
# Left eye, right eye, nose, left and right corner of the mouth in a crop of 112 px.
ARCFACE_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# The same in UTKFace's crops, as shares of their size; eyes deviate by 1.5 %, mouths by 3 %.
UTKFACE_TEMPLATE = np.array(
    [[0.31, 0.293], [0.69, 0.293], [0.5, 0.518], [0.328, 0.691], [0.672, 0.691]]
)


@dataclass
class Crop:
    """An aligned face.

    Attributes:
        image: RGB, output_size x output_size.
        matrix: [3, 3] affine; (x, y, 1) in pixels of the crop (continuous: the first pixel's centre is at
            0.5) -> (x, y, 1) in pixels of the original photo.
    """

    image: Image.Image
    matrix: np.ndarray


def ffhq_quad(landmarks: np.ndarray) -> np.ndarray:
    """Corners [4, 2] of the FFHQ quad: top left, bottom left, bottom right, top right.

    Args:
        landmarks: [5, 2] left eye, right eye, nose, left and right corner of the mouth.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = np.asarray(landmarks, float)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    x = across - _quarter_turn(down)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    y = _quarter_turn(x)
    centre = eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def head_quad(landmarks: np.ndarray) -> np.ndarray:
    """As `ffhq_quad`, but moved towards the back of a head that is turned, so that less hair lies outside.

    When a head turns, the nose moves off the middle between the eyes to one side, the middle of the head to the other.
    """
    quad = ffhq_quad(landmarks)
    left_eye, right_eye, nose = np.asarray(landmarks, float)[:3]
    across = quad[3] - quad[0]
    turn = (nose - (left_eye + right_eye) / 2) @ across / (across @ across)
    move = min(HEAD_MOVES * max(0.0, abs(turn) - FRONTAL), MOST)
    return quad - np.sign(turn) * move * across


def arcface_quad(landmarks: np.ndarray) -> np.ndarray:
    """Corners [4, 2], ordered as in `ffhq_quad`, of the 112 px crop that face recognition networks expect.

    The similarity transform that brings ArcFace's five template points (Deng et al. 2019) closest to the
    landmarks [5, 2], in the sense of least squares.
    """
    x, y = ARCFACE_TEMPLATE.T
    zero, one = np.zeros(5), np.ones(5)
    # x' = a x - b y + c and y' = b x + a y + d
    equations = np.concatenate(
        [np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)]
    )
    a, b, c, d = np.linalg.lstsq(equations, np.asarray(landmarks, float).T.ravel(), rcond=None)[0]
    corners = 112.0 * np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    return corners @ np.array([[a, b], [-b, a]]) + (c, d)


def _quarter_turn(v: np.ndarray) -> np.ndarray:
    """(x, y) -> (-y, x): right becomes down."""
    return np.array([-v[1], v[0]])


def crop_matrix(quad: np.ndarray, size: int) -> np.ndarray:
    """The affine [3, 3] from a crop of `size` pixels to the photo: its corners go to the quad's."""
    top_left, bottom_left, _, top_right = quad
    matrix = np.eye(3)
    matrix[:2, 0] = (top_right - top_left) / size
    matrix[:2, 1] = (bottom_left - top_left) / size
    matrix[:2, 2] = top_left
    return matrix


def align(image: Image.Image, landmarks: np.ndarray, output_size: int = 256) -> Crop:
    """Cut the FFHQ-aligned face out of an RGB photo of any size.

    Args:
        landmarks: [5, 2] in pixels of the photo.
        output_size: px; 256 for the encoder, the generator's resolution for pasting back.
    """
    return cut(image, ffhq_quad(landmarks), output_size)


def side_of(quad: np.ndarray) -> np.ndarray:
    """The length in pixels of a side of a quad [4, 2], or of several [n, 4, 2]."""
    return np.hypot(*(quad[..., 3, :] - quad[..., 0, :]).T)


def cut(image: Image.Image, quad: np.ndarray, output_size: int) -> Crop:
    """Cut a square [4, 2] (corners as `ffhq_quad` orders them) out of an RGB photo, turned upright.

    A large square is first reduced with a Lanczos filter to the crop's resolution, so that no pixel is
    skipped.
    """
    matrix = crop_matrix(quad, output_size)
    part, to_part = _surroundings(image, quad, output_size)
    pixels = resample(np.asarray(part), to_part @ matrix, (output_size, output_size))
    return Crop(Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)), matrix)


def resample(pixels: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample a picture through an affine that does not shrink it, with a Lanczos filter.

    A bicubic one blurs what is as fine as the pixels are: faces that were pasted and cut out again came back up to 4 dB
    less alike.

    Args:
        pixels: [h, w, C].
        matrix: [3, 3] from pixels of the result to pixels of the picture.
        size: (width, height) of the result.

    Returns:
        [height, width, C] float32.
    """
    # OpenCV's first pixel has its centre at 0.
    to_centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    found = cv2.warpAffine(
        np.ascontiguousarray(pixels, np.float32),
        (np.linalg.inv(to_centre) @ matrix @ to_centre)[:2],
        size,
        flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return found.reshape(size[1], size[0], -1)


def _surroundings(
    image: Image.Image, quad: np.ndarray, output_size: int
) -> tuple[Image.Image, np.ndarray]:
    """The part of the photo around the quad, reduced and filled in, and the affine [3, 3] from photo to part."""
    side = float(side_of(quad))
    margin = max(3, round(side * MARGIN))
    low, high = np.floor(quad.min(axis=0)) - margin, np.ceil(quad.max(axis=0)) + margin
    corner = np.clip(low, 0, np.array(image.size) - 1)
    end = np.clip(high, corner + 1, image.size)
    scale = min(1.0, output_size / side)
    size = np.maximum(1, np.round((end - corner) * scale)).astype(int)
    part = image.resize(tuple(size), Image.Resampling.LANCZOS, box=(*corner, *end))
    to_part = np.diag([*(size / (end - corner)), 1.0])
    to_part[:2, 2] = -to_part[[0, 1], [0, 1]] * corner
    lacks = np.maximum([*(corner - low), *(high - end)], 0)
    if lacks.max() > margin - 4:  # the quad itself leaves the photo, not only the margin around it
        fill = np.ceil(np.maximum(lacks, side * FILL) * scale).astype(int)
        part = _filled(part, fill, side * scale)
        to_part[:2, 2] += fill[:2]
    return part, to_part


def _filled(part: Image.Image, fill: np.ndarray, side: float) -> Image.Image:
    """Extend a picture by reflection, ever more blurred and drawn towards its median colour, as FFHQ does.

    Args:
        fill: pixels to add on the left, top, right and bottom.
        side: of the quad, px.
    """
    left, top, right, bottom = fill
    pixels = np.pad(np.asarray(part), [(top, bottom), (left, right), (0, 0)], "reflect")
    height, width = pixels.shape[:2]
    x, y = np.arange(width), np.arange(height)[:, None]
    # 1 at the new border, 0 at the photo's, negative inside the photo
    depth = 1 - np.minimum(
        np.minimum(x / left, (width - 1 - x) / right),
        np.minimum(y / top, (height - 1 - y) / bottom),
    )
    depth = depth[..., None].astype(np.float32)
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(side * BLUR)))
    pixels = pixels + (np.asarray(blurred, np.float32) - pixels) * np.clip(3 * depth + 1, 0, 1)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(depth, 0, 1)
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
