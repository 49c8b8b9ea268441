"""Where a head was, where it is now, and what lies behind it: a child's is smaller than the grown-up's in the photo."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.faces.head_mask import CHIN, HAIR_BORDER, head_mask

SIZE = 256  # px at which heads are compared
GROWN = 16  # px added around what a head has left: generated heads do not match the photo's exactly
RIM = 6  # px added around the photo's person, for its outermost hairs
# px by which a head may outgrow the photo's; with more, a profile turned to the camera would show a second face.
REACH = 20
# Matte value above which neighbouring pixels belong to one person: what links two people is often half a shadow.
SURE = 0.9
PAINTED = 128  # px at which the background is painted
# Quality of the inversion: nothing of a head is removed below the first, all of it may be above the second.
DRAWN = 0.2, 0.5
# Share of the line where the photo's head leaves the crop that the new head does not reach: the outline may change
# freely below the first and stays the photo's above the second, since hair beyond the crop would be left as a tuft.
BEYOND = 0.2, 0.6


class Heads:
    """Compares the mattes of a photo's aged versions with those of the photo and of the inverted one.

    Args:
        matte: pictures [N, 3, S, S] -> where they show a person, [N, 1, S, S] in [0, 1].
        photo, inverted: [N, 3, S, S] in [-1, 1].
        window: [1, 1, S, S], where heads may change.
        drawn: [N, 1, S, S], where the inversion drew what the photo shows. Hats and hands stay where they are.
    """

    def __init__(
        self,
        matte: Callable[[Tensor], Tensor],
        photo: Tensor,
        inverted: Tensor,
        window: Tensor,
        drawn: Tensor,
    ):
        self.matte, self.size = matte, photo.shape[-1]
        self.people, self.inverted = (matte(_resize(x, SIZE)) for x in (photo, inverted))
        face = keep_face(self.people)
        self.near, self.room = _grow(face, RIM), _grow(face, REACH)
        self.person = self.people * self.near
        self.line = face * _border(SIZE)
        around = 1 - _grow(1 - _resize(drawn, SIZE), GROWN)
        self.window = _resize(window, SIZE) * _step(around, DRAWN)

    def __call__(self, aged: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compare aged faces [N, 3, S, S] with the inverted face: which area do the aged heads uncover?

        Not with the photo: so without a change nothing is uncovered, however far the inverted face is from it.

        Returns:
            The uncovered area and the new person matte, [N, 1, S, S] each, and how far the outline may change,
            [N, 1, 1, 1].
        """
        new = self.matte(_resize(aged, SIZE))
        length = self.line.sum(axis=[1, 2, 3], keepdim=True).clip(min=1)
        beyond = (self.line * (1 - new)).sum(axis=[1, 2, 3], keepdim=True) / length
        may = 1 - _step(beyond, BEYOND)
        window = self.window * may
        gone = _grow((self.inverted - new).clip(min=0), GROWN)
        uncovered = window * paddle.minimum(gone, self.near) * (1 - new)
        known = paddle.maximum(_grow(self.inverted, RIM), new)
        person = paddle.maximum(self.person * known * (1 - uncovered), window * self.room * new)
        return _resize(uncovered, self.size), _resize(person, self.size), may

    def paint_background(self, photo: Tensor) -> Tensor:
        """The photo [N, 3, S, S] without its people: the background grown inwards from around them (Telea 2004)."""
        pictures = ((_resize(photo, PAINTED) + 1) * 127.5).numpy().transpose(0, 2, 3, 1)
        painted = []
        for picture, matte in zip(pictures, _resize(self.people, PAINTED).numpy()[:, 0]):
            hole = cv2.dilate((matte > 0.05).astype(np.uint8), np.ones((5, 5), np.uint8))
            pixels = np.ascontiguousarray(picture.round().clip(0, 255).astype(np.uint8))
            filled = cv2.inpaint(pixels, hole, 3, cv2.INPAINT_TELEA)
            painted.append(cv2.GaussianBlur(filled, (0, 0), 1.5))
        small = paddle.to_tensor(np.stack(painted).transpose(0, 3, 1, 2).astype(np.float32))
        return _resize(small / 127.5 - 1, self.size)


def keep_face(person: Tensor) -> Tensor:
    """Mattes [N, 1, S, S] without the people beside the one whose head lies in the middle, if they do not touch."""
    size = person.shape[-1]
    at = (np.arange(size) + 0.5) / size
    head = head_mask(at[None, :], at[:, None])
    kept = []
    for matte in person.numpy()[:, 0]:
        parts = cv2.connectedComponents((matte > SURE).astype(np.uint8))[1]
        shares = np.bincount(parts.reshape(-1), (head * matte).reshape(-1))
        kept.append(matte * (parts == shares[1:].argmax() + 1) if len(shares) > 1 else matte)
    return paddle.to_tensor(np.stack(kept)[:, None])


def _resize(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    if images.shape[-1] > size:
        return F.adaptive_avg_pool2d(images, size)
    return F.interpolate(images, [size, size], mode="bilinear")


def _step(x: Tensor, limits: tuple[float, float]) -> Tensor:
    """0 below the first limit, 1 above the second, and a soft step between."""
    share = ((x - limits[0]) / (limits[1] - limits[0])).clip(0, 1)
    return share * share * (3 - 2 * share)


def _border(size: int) -> Tensor:
    """1 at the crop's border from the chin upwards, [1, 1, size, size]."""
    at = (np.arange(size) + 0.5) / size
    beside = (at < HAIR_BORDER) | (at > 1 - HAIR_BORDER)
    border = (beside[None, :] & (at[:, None] < CHIN[0])) | (at[:, None] < HAIR_BORDER)
    return paddle.to_tensor(border[None, None].astype(np.float32))


def _grow(matte: Tensor, reach: int) -> Tensor:
    """Mattes wider by `reach` px, with soft edges."""
    wide = F.max_pool2d(matte, (2 * reach + 1, 1), 1, (reach, 0))
    wide = F.max_pool2d(wide, (1, 2 * reach + 1), 1, (0, reach))
    return F.avg_pool2d(F.pad(wide, [2] * 4, mode="replicate"), 5, 1)
