"""The identity loss of pSp and SAM: cosine similarity of face embeddings."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

# The part of an FFHQ-aligned 256 px face that looks like ArcFace's training data: rows and columns, in pixels.
ROWS, COLUMNS = slice(35, 223), slice(32, 220)


def crop_face(images: Tensor) -> Tensor:
    """Cut the inner face out of images [N, 3, 256, 256]: [N, 3, 188, 188]."""
    return images[:, :, ROWS, COLUMNS]


class IdentityLoss(nn.Layer):
    """Features of faces by a frozen network, and their cosine similarity.

    Args:
        net: 112 px faces in [-1, 1] -> unit vectors; for example IRSE50.
    """

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, 256, 256] in [-1, 1] -> unit vectors [N, D]."""
        return self.net(F.adaptive_avg_pool2d(crop_face(images), 112))

    @staticmethod
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        """The cosine similarity [N] of each pair of unit vectors [N, D]."""
        return paddle.sum(a * b, axis=1)


class DlibIdentity(IdentityLoss):
    """The same with dlib's network, which compares faces by distance: the similarity is 1 - distance^2.

    Two faces up to 0.6 apart count as the same person; that is a similarity of 0.64.

    Args:
        net: has `embed`: faces [N, 3, 256, 256] in [-1, 1] -> embeddings [N, 128].
    """

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, 256, 256] in [-1, 1] -> embeddings [N, 128]."""
        return self.net.embed(images)

    @staticmethod
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        """1 - |a - b|^2 of each pair of embeddings [N, 128], [N]."""
        return 1 - paddle.sum((a - b) ** 2, axis=1)


def age_gap_weights(target_ages: Tensor, source_ages: Tensor) -> Tensor:
    """The weight of the identity loss: 1 without ageing, down to 0.5 over 100 years (SAM, section 3.2).

    Ages are in centuries, [N].
    """
    return 0.25 * paddle.cos(paddle.abs(target_ages - source_ages) * math.pi) + 0.75
