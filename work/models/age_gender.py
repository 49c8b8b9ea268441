"""Age and gender of a face: a linear fit, on labelled photos, to the features of three frozen networks.

A small age network alone is easily fooled by a picture that was optimised to look old to it; three networks that were
trained for different things are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from work.models.age_v1 import AGES

MAPS = 4  # px to which AlexNet's feature maps are averaged
# How many features come from AgeV1, its 81 classes, dlib, and AlexNet's conv3 and conv5
COUNTS = (256, 81, 256, 384 * MAPS**2, 256 * MAPS**2)
N_FEATURES = sum(COUNTS)


class Backbones(NamedTuple):
    """Frozen networks that look at face chips: AgeV1, DlibFace and an LPIPS with AlexNet."""

    age: nn.Layer
    identity: nn.Layer
    lpips: nn.Layer


class AgeGenderReader(nn.Layer):
    """Chips [N, 3, S, S] in [-1, 1] (`work.models.face_chip`) -> years and gender."""

    def __init__(self, networks: Backbones) -> None:
        super().__init__()
        self.networks = [networks]  # in a list: shared, and not part of this layer's state
        for name, shape in (("mean", [N_FEATURES]), ("weight", [N_FEATURES, 2]), ("bias", [2])):
            self.register_buffer(name, paddle.zeros(shape))

    def features(self, chips: Tensor) -> Tensor:
        """[N, N_FEATURES]."""
        return self._look(chips)[0]

    def forward(self, chips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Years [N, 2], a gender score [N] (2 is male, -2 female), and the identity network's embeddings [N, 128].

        The two years are those of the fit and those of the small age network; `combine` makes one of them.
        """
        features, embeddings = self._look(chips)
        return (*self.read(features), embeddings)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Years [N, 2] and the gender score [N] of features [N, N_FEATURES]; see `forward`."""
        read = (features - self.mean) @ self.weight + self.bias
        years = paddle.stack([read[:, 0].clip(0, 100), small_network_years(features)], axis=1)
        return years, read[:, 1]

    def _look(self, chips: Tensor) -> tuple[Tensor, Tensor]:
        age, identity, lpips = self.networks[0]
        maps = lpips.net((chips - lpips.shift) / lpips.scale)
        averages = [F.adaptive_avg_pool2d(maps[i], MAPS).flatten(1) for i in (2, 4)]
        pooled, person = age.pooled(chips), identity.pooled(chips)
        younger = F.softmax(age.head(pooled), axis=1).cumsum(axis=1)
        features = paddle.concat([pooled, younger, person, *averages], axis=1)
        return features, identity.head(person)


def small_network_years(features: Tensor) -> Tensor:
    """What the small age network reads, [N] years, from features [N, N_FEATURES]."""
    # The cumulative probability of the classes
    below = features[:, COUNTS[0] : COUNTS[0] + COUNTS[1]]
    older = paddle.to_tensor(np.diff(AGES), dtype="float32")
    return AGES[-1] - below[:, :-1] @ older


def combine(years: np.ndarray) -> np.ndarray:
    """One age [N] from the fit's and the small network's, [N, 2].

    The small network is better at children and adds little for adults: regressed on UTKFace's ages, the two get
    weights of 0.2 and 0.6 below 20 years, and of 1.1 and -0.1 above 35.
    """
    share = np.interp(years.mean(axis=1), [10, 30], [0.3, 0.9])
    return share * years[:, 0] + (1 - share) * years[:, 1]
