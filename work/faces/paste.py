"""Putting aligned faces back into their photo, at the photo's own resolution.

What is pasted is not the face but its change: the difference between the new face and the same crop of the photo. So
an unchanged face leaves every pixel as it was, and detail finer than the crop's pixels survives, except
where the change is so strong that it would be a ghost of what is gone. Outside a soft head mask nothing is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from work.faces.align import crop_matrix, cut, resample, side_of
from work.faces.head_mask import border_mask, head_mask

BORDER = 0.15  # in units of the crop's side: between two faces, the zone that they share
SMALL = 128  # px: slow changes over the face are looked at on a small picture
RIM_BLUR = 0.08  # in units of the crop's side: over so much the rim's colours spread
# In units of the crop's side: the change is smoothed before it decides about detail.
CHANGE_BLUR = 0.02
GATE = 23  # of 255: the change at which the photo's finer detail has fallen to 1/e
STRIP = 512  # rows that are worked on at a time, so that memory does not grow with the photo


@dataclass
class NewFace:
    """A face to put back.

    Attributes:
        image: RGB, square, aligned; any size.
        quad: [4, 2] its corners in the photo, as `ffhq_quad` orders them.
        additive: the image is the photo plus a difference that can be trusted wherever it is not zero. It is used up
            to the crop's border, not inside the head alone, and all of the photo's finer detail stays.
        seamless: at the crop's border the image is the photo itself, so it is taken whole.
    """

    image: Image.Image
    quad: np.ndarray
    additive: bool = False
    seamless: bool = False

    def to_crop(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where pixels (x, y) of the photo lie in the crop, 0..1 across and down."""
        (a, b, c), (d, e, f), _ = np.linalg.inv(crop_matrix(self.quad, 1))
        return a * x + b * y + c, d * x + e * y + f

    def mask(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """How much of the image is taken at positions of the crop, 0..1."""
        if self.seamless:
            return ((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)).astype(u.dtype)
        return border_mask(u, v) if self.additive else head_mask(u, v)


def paste(photo: Image.Image, faces: Sequence[NewFace]) -> Image.Image:
    """Put faces back into the RGB photo that they were cut from.

    The face's colours are drawn towards the photo's where the mask fades, so that no rim shows. Where two
    heads overlap, each pixel belongs to the face whose centre is nearer.

    Returns:
        A new photo; every pixel at which all masks are 0 is unchanged.
    """
    original, result = np.asarray(photo), np.array(photo)
    for face in faces:
        low, high = box_of(face.quad, photo.size)
        others = [other for other in faces if other is not face]
        layers = _Layers(photo, face)
        for top in range(low[1], high[1], STRIP):
            box = (low[0], top, high[0], min(top + STRIP, high[1]))
            if box[0] < box[2]:
                _paste_strip(original, result, box, face, others, layers)
    pasted = Image.fromarray(result)
    pasted.info = dict(photo.info)
    return pasted


def _paste_strip(original, result: np.ndarray, box, face: NewFace, others, layers: _Layers) -> None:
    """Add one face's change to `result` [h, w, 3] at `box` (left, top, right, bottom), in place."""
    x, y = np.arange(box[0], box[2]) + 0.5, np.arange(box[1], box[3])[:, None] + 0.5
    weight = weight_of(face, others, x, y)
    rows, columns = np.nonzero(weight)
    weight = weight[rows, columns, None]
    change, before, match, keep = (layer[rows, columns] for layer in layers.at(box))
    rows, columns = rows + box[1], columns + box[0]
    detail = original[rows, columns] - before  # what the crop could not hold
    change = weight * (change + (1 - weight) * match - (1 - keep) * detail)
    result[rows, columns] = (result[rows, columns] + change).round().clip(0, 255).astype(np.uint8)


def weight_of(face: NewFace, others: Iterable[NewFace], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The face's mask [h, w] at the pixels (x, y), without what belongs to the other faces."""
    u, v = face.to_crop(x, y)
    weight = face.mask(u, v)
    for other in others:
        p, q = other.to_crop(x, y)
        nearer = np.hypot(p - 0.5, q - 0.5) - np.hypot(u - 0.5, v - 0.5)
        weight *= np.clip(nearer / BORDER + 0.5, 0, 1)
    return weight


def box_of(quad: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a picture (width, height) that a quad may touch: first [2], and one past the last [2]."""
    low = np.clip(np.floor(quad.min(axis=0)), 0, size).astype(int)
    return low, np.clip(np.ceil(quad.max(axis=0)), 0, size).astype(int)


def sampled(layer: np.ndarray, quad: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """A layer [s, s, C] in the pixels of a face's crop, in those of its photo: the box from `low` to `high`, (x, y)."""
    matrix = np.linalg.inv(crop_matrix(quad, len(layer)))
    matrix[:2, 2] += matrix[:2, :2] @ low
    return resample(layer, matrix, (int(high[0] - low[0]), int(high[1] - low[1])))


class _Layers:
    """What is known about a face in its crop's pixels, to be sampled in the photo's pixels."""

    def __init__(self, photo: Image.Image, face: NewFace):
        before = np.asarray(cut(photo, face.quad, face.image.width).image, np.float32)
        change = np.asarray(face.image, np.float32) - before
        side = round(float(side_of(face.quad)))
        size = min(face.image.width, max(1, side))  # reduced first: the sampling skips no pixel
        small = _resized(change, SMALL)
        strength = _blurred(np.abs(small).max(axis=2, keepdims=True), CHANGE_BLUR)
        keep = np.exp(-((strength / GATE) ** 2))
        match = _rim_match(-small)
        if face.additive:  # nothing is replaced: no detail goes, and no colour has to be met
            match, keep = np.zeros_like(match), np.ones_like(keep)
        self.quad = face.quad
        self.layers = _resized(change, size), _resized(before, size), match, keep

    def at(self, box) -> list[np.ndarray]:
        """At `box` of the photo, each [h, w, 3 or 1]: the change, the crop before it, what to add at the rim so
        that the colours meet, and the share 0..1 of the photo's finer detail to keep."""
        return [sampled(layer, self.quad, box[:2], box[2:]) for layer in self.layers]


def _rim_match(difference: np.ndarray) -> np.ndarray:
    """Colours that the new face lacks along the mask's rim, spread over the crop [SMALL, SMALL, 3]."""
    at = (np.arange(SMALL) + 0.5) / SMALL
    weight = head_mask(at[None, :], at[:, None])[..., None]
    rim = weight * (1 - weight)
    return _blurred(difference * rim, RIM_BLUR) / _blurred(rim, RIM_BLUR)


def _blurred(x: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian blur of [n, n, C]; the deviation is a share of n. Nothing is reflected: colours fade at the border."""
    way = cv2.BORDER_CONSTANT
    return cv2.GaussianBlur(x, (0, 0), deviation * len(x), borderType=way).reshape(x.shape)


def _resized(x: np.ndarray, size: int) -> np.ndarray:
    """[n, n, C] as [size, size, C] float32, by Pillow's Lanczos filter: OpenCV shrinks by averages, 2 dB worse."""
    planes = [
        Image.fromarray(np.ascontiguousarray(x[..., c], np.float32)) for c in range(x.shape[2])
    ]
    lanczos = Image.Resampling.LANCZOS
    return np.stack([np.asarray(plane.resize((size, size), lanczos)) for plane in planes], axis=2)
