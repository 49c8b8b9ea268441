"""The encoder's inputs in pSp's tasks whose inputs differ from their targets: mirrored faces, or fewer pixels."""

from __future__ import annotations

from typing import Optional

import numpy as np

from work.configs.resize_factors import RESIZE_FACTORS, parse_factors
from work.configs.train_flags import FRONTALIZE, SUPER_RESOLUTION
from work.configs.train_options import TrainOptions
from work.datasets.degrade import blurred, mirrored
from work.datasets.training import INPUTS, random_generator


def make_inputs(
    options: TrainOptions, faces: np.ndarray, key: tuple[int, ...], rank: int = 0, world: int = 1
) -> Optional[np.ndarray]:
    """The inputs [N, 3, 256, 256] for some target faces [N, 3, 256, 256] in [-1, 1]; None where they are the same.

    Frontalisation mirrors half of them: what a face and its mirror image have in common is a frontal pose.
    Super-resolution takes one of `resize_factors` for each. The draw is the same however many ranks share a batch.
    """
    count, rng = len(faces), random_generator(options.seed, INPUTS, *key)
    drawn = rng.random(count * world)[rank * count : (rank + 1) * count]
    if options.dataset_type == FRONTALIZE:
        return mirrored(faces, drawn < 0.5)
    if options.dataset_type == SUPER_RESOLUTION:
        factors = parse_factors(options.resize_factors or RESIZE_FACTORS)
        return blurred(faces, np.array(factors)[(drawn * len(factors)).astype(int)])
    return None
