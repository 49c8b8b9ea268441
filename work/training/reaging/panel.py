"""A picture of a batch of the re-ageing network: input, wanted face and output, then the input at several ages."""

from __future__ import annotations

from typing import Callable

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from PIL import Image, ImageDraw

from work.datasets.transforms import to_picture
from work.training.panels import CAPTION
from work.training.recipes import Outcome

AGES = (20.0, 35.0, 50.0, 65.0, 80.0)
MOST = 4  # rows
SHOWN = 256  # px of a face

Reage = Callable[[Tensor, Tensor, Tensor], Tensor]


@paddle.no_grad()
def reaging_panel(outcome: Outcome, reage: Reage) -> Image.Image:
    """A row per face. `reage` makes faces [N, 3, S, S] of own ages [N] as old as target ages [N], in years."""
    faces, own = outcome.faces[:MOST], outcome.numbers["source_age"][:MOST]
    target, paired = (outcome.numbers[name].numpy() for name in ("target_age", "paired"))
    assert outcome.target is not None
    columns = [(faces, [f"input, {age:.0f}" for age in own.numpy()])]
    words = [f"{'wanted' if p else 'another'}, {age:.0f}" for p, age in zip(paired, target)]
    columns.append((outcome.target[:MOST], words))
    columns.append((outcome.output[:MOST], [f"output, {age:.0f}" for age in target]))
    for age in AGES:
        aged = reage(faces, own, paddle.full_like(own, age))
        columns.append((aged, [f"{age:.0f}"] * len(words)))
    count = faces.shape[0]
    sheet = Image.new("RGB", (SHOWN * len(columns), (SHOWN + CAPTION) * count), "white")
    pen = ImageDraw.Draw(sheet)
    for x, (images, texts) in enumerate(columns):
        small = images if images.shape[-1] == SHOWN else F.adaptive_avg_pool2d(images, SHOWN)
        for y, (image, text) in enumerate(zip(small.numpy(), texts)):
            corner = (x * SHOWN, y * (SHOWN + CAPTION))
            sheet.paste(to_picture(image, rounded=True), corner)
            pen.text((corner[0] + 3, corner[1] + SHOWN + 1), text, "black")
    return sheet
