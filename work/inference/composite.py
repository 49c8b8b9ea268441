"""Bringing the generator's change into the photo: the aged face inside a soft head mask, the rest untouched.

    result = ground + M * person * (G1 + low(photo - G0) + a * high(photo - G0) - ground)

G0 is the inverted photo, G1 the aged one. What inversion missed (photo - G0) is added back: its colours
everywhere, its detail only where ageing changed little, `a = exp(-(blur|G1 - G0| / gate)^2)`; plain residual
transfer doubles noses and mouths and leaves ghosts of glasses. The ground is the photo, with background painted where
a head was that has become smaller; `person` is where the photo or G1 shows one (`heads.py`).
"""

from __future__ import annotations

from typing import Callable, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from work.faces.head_mask import CLOTHES, below_mouth, hair_window, head_mask
from work.inference.heads import Heads

LOW_PASS = 24 / 512  # deviation of the low-pass filter, as a share of the image's side
EDIT_BLUR = 9 / 512
GATE_OLDER = 0.18  # change of colour, in [-1, 1] units, at which detail of the photo falls to 1/e
GATE_YOUNGER = 0.06  # old skin's detail would survive rejuvenation behind a wide gate
# How far colours below the mouth may change, in [-1, 1] units of chroma: skin and beards may, a collar may not.
NEAR_COLOUR = 0.08
GREY = 0.03  # mean spread of a photo's channels, same units, below which it has no colours
OCCLUSION = 0.45  # miss of the inversion, same units, at which the mask falls to 1/e


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [N, C, S, S] with deviation `sigma` (a share of S), done at 128 px: it is always wide.

    OpenCV's takes as long (29 ms at 1024 px on two cores, 25 here), and the picture may lie on a GPU.
    """
    size, small = images.shape[-1], min(128, images.shape[-1])
    deviation = sigma * small
    reach = max(1, int(np.ceil(3 * deviation)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2).astype(np.float32)
    kernel = paddle.to_tensor(taps / taps.sum())
    batch, channels = images.shape[:2]
    x = F.interpolate(images, size=[small, small], mode="area") if size > small else images
    x = x.reshape([batch * channels, 1, small, small])
    x = F.conv2d(F.pad(x, [reach] * 4, mode="replicate"), kernel.reshape([1, 1, 1, -1]))
    x = F.conv2d(x, kernel.reshape([1, 1, -1, 1])).reshape([batch, channels, small, small])
    if size == small:
        return x
    return F.interpolate(x, size=[size, size], mode="bilinear", align_corners=False)


def head_template(size: int, mask: Callable[..., np.ndarray] = head_mask) -> Tensor:
    """A mask of positions in the crop at every pixel of an aligned picture, [1, 1, size, size]."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    return paddle.to_tensor(mask(axis[None, :], axis[:, None])[None, None].astype(np.float32))


def inversion_match(photo: Tensor, inverted: Tensor) -> Tensor:
    """1 where the inversion matches the photo, down to 0 where it does not (hands, hats, hair ends), [N, 1, S, S]."""
    miss = blur((photo - inverted).abs().mean(axis=1, keepdim=True), 14 / 512)
    return paddle.exp(-((miss / OCCLUSION) ** 2))


def gates(older: Tensor) -> Tensor:
    """The change at which the photo's detail has fallen to 1/e, [N], for faces made older (1) or younger (0)."""
    return GATE_OLDER * older + GATE_YOUNGER * (1 - older)


def without_colours(images: Tensor) -> Tensor:
    """[N, 3, S, S] with each pixel's luma (ITU-R BT.601) in all channels."""
    weights = paddle.to_tensor([0.299, 0.587, 0.114]).reshape([1, 3, 1, 1])
    return (images * weights).sum(axis=1, keepdim=True).expand_as(images)


def calm_clothes(aged: Tensor, inverted: Tensor) -> Tensor:
    """Aged faces [N, 3, S, S] whose colours below the mouth stay near the inverted face's [1 or N, 3, S, S].

    The generator dresses children in red and blue, up to their chins, where the photo shows a neck.
    """
    size = aged.shape[-1]
    start = int(size * CLOTHES[0])
    below = head_template(size, below_mouth)[:, :, start:]
    clothes, usual = aged[:, :, start:], inverted[:, :, start:]
    change = clothes - usual
    luma = without_colours(change)
    calm = usual + luma + (change - luma).clip(-NEAR_COLOUR, NEAR_COLOUR)
    return paddle.concat([aged[:, :, :start], clothes + below * (calm - clothes)], axis=2)


def is_grey(photo: Tensor) -> Tensor:
    """Whether photos [N, 3, S, S] in [-1, 1] have no colours, bool [N]."""
    return (photo.max(axis=1) - photo.min(axis=1)).mean(axis=[1, 2]) < GREY


class Composite:
    """Blends photos with their aged versions; what all ages of a photo share is computed once.

    Grey photos stay grey: the generator paints old skin and children's clothes in colours.

    Args:
        photo, inverted: [N, 3, S, S] in [-1, 1], the aligned photos and G0.
        matte: pictures [N, 3, S, S] -> where they show a person, [N, 1, S, S] in [0, 1]. With it hair changes outside
            the head mask too, and the background stays.
        may_change: [N, 1, S, 1] in [0, 1]; less than 1 where the photo stays, such as its hats. All by default.
    """

    def __init__(
        self,
        photo: Tensor,
        inverted: Tensor,
        matte: Optional[Callable[[Tensor], Tensor]] = None,
        may_change: Optional[Tensor] = None,
    ):
        self.grey = is_grey(photo).reshape([-1, 1, 1, 1])
        self.some_grey = bool(self.grey.any())
        self.inverted = self._as_photo(inverted)
        missed = photo - self.inverted
        colours = blur(missed, LOW_PASS)
        self.photo, self.heads = photo, None
        template, drawn = head_template(photo.shape[-1]), inversion_match(photo, self.inverted)
        if may_change is not None:
            drawn = drawn * may_change
        self.mask = template * drawn
        if matte is not None:
            window = head_template(photo.shape[-1], hair_window)
            self.heads = Heads(matte, photo, self.inverted, window, drawn)
            self.hair = (window - template).clip(min=0) * drawn
            self.to_background = self.heads.paint_background(photo) - photo
        self.to_change = colours - photo  # the missed colours, without the photo
        self.detail = missed - colours

    def __call__(self, aged: Tensor, gate: Tensor) -> Tensor:
        """Blend with G1.

        Args:
            aged: [N, 3, S, S], or more of them for one photo.
            gate: one for each, see `gates`.

        Returns:
            As `aged`, in [-1, 1]; equal to the photo wherever the mask is 0.
        """
        aged = calm_clothes(self._as_photo(aged), self.inverted)
        edit = blur((aged - self.inverted).abs().max(axis=1, keepdim=True), EDIT_BLUR)
        keep = paddle.exp(-((edit / gate.reshape([-1, 1, 1, 1])) ** 2))
        change = aged + self.to_change + keep * self.detail
        if self.heads is None:
            return (self.photo + self.mask * change).clip(-1, 1)
        uncovered, person, may = self.heads(aged)
        painted = uncovered * self.to_background
        mask = (self.mask + may * self.hair) * person
        return (self.photo + painted + mask * (change - painted)).clip(-1, 1)

    def _as_photo(self, images: Tensor) -> Tensor:
        images = images.clip(-1, 1)
        if not self.some_grey:
            return images
        return paddle.where(self.grey, without_colours(images), images)
