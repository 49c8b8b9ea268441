"""Rendered people, photos and networks that are small enough for tests."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from tests.unit.training_kit import TinyLPIPS
from work.models.reaging.unet import ReagingNet
from work.training.reaging.passes import LossNetworks

AGES = (20, 45, 70)
TinyNet = partial(ReagingNet, widths=(4, 4, 8, 8), depth=1)


def draw(path: Path, rng: np.random.Generator, size: int = 64) -> None:
    """Write a smooth random picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 255, (6, 6, 3), np.uint8)
    Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC).save(path)


def make_people(root: Path, count: int = 4) -> Path:
    """People 0 to `count` - 1 at AGES."""
    rng = np.random.default_rng(0)
    for number in range(count):
        for age in AGES:
            draw(root / f"{number:05d}" / f"{age}.jpg", rng)
    return root


def make_photos(root: Path, count: int = 6) -> Path:
    """Photos of people of 10, 22, 34, ... years, with their table."""
    rng = np.random.default_rng(1)
    lines = ["file,age"]
    for i in range(count):
        draw(root / f"{i}.png", rng)
        lines.append(f"{i}.png,{10 + 12 * i}")
    (root / "ages.csv").write_text("\n".join(lines) + "\n")
    return root


def tiny_networks() -> LossNetworks:
    """Identity is the mean colour; brighter is older."""
    return LossNetworks(
        TinyLPIPS(), lambda x: x.mean([2, 3]), lambda x: 50 + 50 * x.mean([1, 2, 3])
    )


@contextmanager
def tiny():
    """Within it, runs train a tiny network before tiny loss networks."""
    net = mock.patch("work.models.reaging.reaging.ReagingNet", TinyNet)
    with net, mock.patch("work.training.reaging.recipe.load_loss_networks", tiny_networks):
        yield
