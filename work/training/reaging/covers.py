"""Occlusions that ageing must not change: dark glasses, hats, hands, bars. Rendered people have none of them.

The same occlusion is laid over both pictures of a pair: the network learns to recognise it and leave it unchanged.
"""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from work.training.reaging.augment import USED

SHARE = 0.3  # of the pairs that get something
KINDS, ODDS = ("glasses", "hat", "bar", "blob"), (0.3, 0.25, 0.2, 0.25)
FINE = 2  # masks are drawn at so many times the size, for smooth edges
EYES = (0.385, 0.48), (0.615, 0.48)  # of an aligned face, as shares of the side
Points = Sequence[tuple[float, float]]


def cover(
    pictures: Sequence[Image.Image], stuff: Callable[[], Image.Image], rng: np.random.Generator
) -> list[Image.Image]:
    """Lay the same occlusion over each of some aligned RGB faces, with probability SHARE; else return them unchanged.

    Args:
        stuff: reads a picture from which hats, hands and bars take their texture.
    """
    if rng.random() >= SHARE:
        return list(pictures)
    kind = str(rng.choice(KINDS, p=ODDS))
    mask = DRAWN[kind](rng, FINE * USED).resize((USED, USED), Image.Resampling.BILINEAR)
    mask = mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    thing = _dark(USED, rng) if kind == "glasses" else _texture(stuff(), USED, rng)
    return [
        Image.composite(thing.resize(picture.size), picture, mask.resize(picture.size))
        for picture in pictures
    ]


def _dark(side: int, rng: np.random.Generator) -> Image.Image:
    """Lenses: dark, with a lighter side that reflects something."""
    tint = rng.uniform(0, 60) + rng.uniform(-15, 15, 3)
    left, right = rng.uniform(-50, 50, 2)
    slope = np.linspace(left, right, side)[:, None, None]
    pixels = (tint + slope + np.zeros((side, side, 3))).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def _texture(stuff: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """A part of another picture in other colours; now and then blurred to almost one colour."""
    part = min(stuff.size) * rng.uniform(0.1, 0.5)
    left, top = rng.uniform(0, stuff.width - part), rng.uniform(0, stuff.height - part)
    box = (left, top, left + part, top + part)
    piece = stuff.resize((side, side), Image.Resampling.BILINEAR, box)
    if rng.random() < 0.4:
        piece = piece.filter(ImageFilter.GaussianBlur(side / 16))
    pixels = np.asarray(piece, np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, :, rng.permutation(3)]
    changed = pixels * rng.uniform(0.4, 1.3) + rng.uniform(-50, 50, 3)
    return Image.fromarray(changed.clip(0, 255).astype(np.uint8))


def _empty(side: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    mask = Image.new("L", (side, side))
    return mask, ImageDraw.Draw(mask)


def _glasses(rng: np.random.Generator, side: int) -> Image.Image:
    """Two lenses over the eyes, their bridge, and the temples to either side."""
    mask, draw = _empty(side)
    strength = int(rng.uniform(170, 256))
    wide, high = rng.uniform(0.085, 0.12), rng.uniform(0.055, 0.1)
    drop, roll = rng.uniform(0, 0.03), rng.uniform(-0.015, 0.015)
    corner = rng.uniform(0.3, 1) * min(wide, high) * side
    edges = []
    for (x, y), tilt in zip(EYES, (-roll, roll)):
        x, y = x + rng.uniform(-0.01, 0.01), y + drop + tilt
        box = [side * v for v in (x - wide, y - high, x + wide, y + high)]
        draw.rounded_rectangle(box, corner, fill=strength)
        edges.append((x, y - high / 2))
    thick = max(1, round(rng.uniform(0.006, 0.02) * side))
    (x1, y1), (x2, y2) = edges
    for line in (
        ((x1 + wide, y1), (x2 - wide, y2)),
        ((x1 - wide, y1), (x1 - wide - 0.14, y1 - 0.01)),
        ((x2 + wide, y2), (x2 + wide + 0.14, y2 - 0.01)),
    ):
        draw.line([(x * side, y * side) for x, y in line], fill=255, width=thick)
    return mask


def _hat(rng: np.random.Generator, side: int) -> Image.Image:
    """Everything above a curved brim on the forehead."""
    mask, draw = _empty(side)
    x, brim, wide = 0.5 + rng.uniform(-0.08, 0.08), rng.uniform(0.2, 0.38), rng.uniform(0.25, 0.5)
    bend, tilt = rng.uniform(-0.06, 0.12), rng.uniform(-0.08, 0.08)
    across = np.linspace(-1, 1, 16)
    lower = [(x + wide * a, brim + bend * a * a + tilt * a) for a in across]
    top = brim - rng.uniform(0.3, 0.5)
    upper = [(x + 0.8 * wide * a, top + 0.15 * a * a) for a in across[::-1]]
    draw.polygon(_pixels([*lower, *upper], side), fill=255)
    return mask


def _bar(rng: np.random.Generator, side: int) -> Image.Image:
    """A straight thing across the picture."""
    mask, draw = _empty(side)
    ends = rng.uniform(0, 1, (2, 2))
    middle, along = ends[0], ends[1] - 0.5
    along = 1.5 * along / max(1e-3, float(np.hypot(*along)))
    start = middle - (rng.random() < 0.5) * along  # from here, or through here
    width = max(2, round(rng.uniform(0.02, 0.14) * side))
    line = _pixels([(start[0], start[1]), (middle[0] + along[0], middle[1] + along[1])], side)
    draw.line(line, fill=255, width=width)
    return mask


def _blob(rng: np.random.Generator, side: int) -> Image.Image:
    """A roundish thing, such as a hand, a ball or a microphone."""
    mask, draw = _empty(side)
    x, y = rng.uniform(0, 1), rng.uniform(0.1, 1)
    size, corners = rng.uniform(0.06, 0.3), 9
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = size * rng.uniform(0.6, 1.2, corners)
    flat = rng.uniform(0.5, 1.0)
    points = [(x + r * np.cos(t), y + flat * r * np.sin(t)) for r, t in zip(reach, turns)]
    draw.polygon(_pixels(points, side), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(side / 100)).point(lambda v: 255 * (v > 127))


def _pixels(points: Points, side: int) -> list[tuple[float, float]]:
    return [(float(x) * side, float(y) * side) for x, y in points]


DRAWN = {"glasses": _glasses, "hat": _hat, "bar": _bar, "blob": _blob}
