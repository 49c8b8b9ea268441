"""Which network a checkpoint's weights need, from their names and shapes alone, before anything is built.

The limits are generous for real networks. They keep a small file from asking for a network of gigabytes.
"""

from __future__ import annotations

import re
from typing import Any, Dict

from work.errors import UserError
from work.models.lazy_state import LazyState

MAX_LEVELS = 8  # 4 px doubled to 1024
MAX_STYLE_DIM, MAX_MLP, MAX_MULTIPLIER, MAX_CHANNELS = 2048, 16, 4, 64


def generator_shape(weights: LazyState) -> Dict[str, Any]:
    """The arguments of a StyleGAN2 `Generator` with these weights.

    Raises:
        UserError: a tensor that tells is missing or of another rank, or a number is out of its range.
    """
    size = generator_size(weights)
    last = weights.shape(f"to_rgbs.{_levels(weights) - 1}.conv.weight", rank=5)[2]
    shape: Dict[str, Any] = {
        "size": size,
        "style_dim": weights.shape("style.1.weight", rank=2)[0],
        "n_mlp": _count(weights, r"style\.\d+\.weight"),
        "channel_multiplier": last * size // 16384 if size > 32 else 2,
    }
    most = {"style_dim": MAX_STYLE_DIM, "n_mlp": MAX_MLP, "channel_multiplier": MAX_MULTIPLIER}
    for name, limit in most.items():
        if not 1 <= shape[name] <= limit:
            raise UserError(
                f"{weights.source}: its weights show a {name} of {shape[name]}; 1 to {limit} are possible"
            )
    return shape


def generator_size(weights: LazyState) -> int:
    """Pixels of the pictures of a StyleGAN2 with these weights. Raises UserError as `generator_shape`."""
    return 4 * 2 ** _levels(weights)


def input_channels(weights: LazyState) -> int:
    """Channels of the pictures that a pSp encoder with these weights takes. Raises UserError as `generator_shape`."""
    channels = weights.shape("input_layer.0.weight", rank=4)[1]
    if not 1 <= channels <= MAX_CHANNELS:
        raise UserError(
            f"{weights.source}: its encoder takes {channels} channels; 1 to {MAX_CHANNELS} are possible"
        )
    return channels


def _levels(weights: LazyState) -> int:
    """How many times the generator doubles its 4 px."""
    levels = _count(weights, r"to_rgbs\.\d+\.conv\.weight")
    if not 1 <= levels <= MAX_LEVELS:
        raise UserError(
            f"{weights.source}: its generator has {levels} levels of to_rgbs; 1 (8 px) to {MAX_LEVELS} "
            "(1024 px) are possible"
        )
    return levels


def _count(weights: LazyState, pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in weights)
