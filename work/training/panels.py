"""Panels: a picture of a batch, with a row per face: source, output and recovered face, ages and similarities."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from work.datasets.transforms import to_picture
from work.training.recipes import Outcome

CAPTION = 28  # px below each face, two lines
MOST = 6  # rows
LEAST = 160  # px of a face; a smaller one is enlarged, so that its caption fits


def panel(outcome: Outcome) -> Image.Image:
    """Draw a batch as an RGB picture, with up to `MOST` rows of 256 px faces."""
    numbers = {name: values.numpy() for name, values in outcome.numbers.items()}
    columns = [("source", outcome.faces, ""), ("output", outcome.output, "_real")]
    if outcome.recovered is None:
        columns[1] = ("output", outcome.output, "_real" if "source_age" in numbers else "")
    else:
        columns.append(("recovered", outcome.recovered, "_cycle"))
    if outcome.target is not None:
        columns.insert(1, ("target", outcome.target, ""))
    rows = min(MOST, outcome.faces.shape[0])
    size = max(LEAST, outcome.faces.shape[2])
    sheet = Image.new("RGB", (size * len(columns), (size + CAPTION) * rows), "white")
    pen = ImageDraw.Draw(sheet)
    for x, (title, images, end) in enumerate(columns):
        for y, image in enumerate(images[:rows].astype("float32").numpy()):
            corner = (x * size, y * (size + CAPTION))
            sheet.paste(to_picture(image).resize((size, size)), corner)
            text = "\n".join(caption(title, numbers, end, y))
            pen.multiline_text((corner[0] + 3, corner[1] + size + 1), text, "black", spacing=1)
    return sheet


def caption(title: str, numbers: dict[str, np.ndarray], end: str, row: int) -> list[str]:
    """The two lines below a face."""

    def get(name: str) -> float | None:
        return float(numbers[name][row]) if name in numbers else None

    first, second = [title], []
    if title == "source" and get("source_age") is not None:
        second.append(f"age {get('source_age'):.0f}")
    if title not in ("source", "target"):
        wanted = get("target_age" if end == "_real" else "source_age")
        if wanted is not None:
            first.append(f"to {wanted:.0f}")
        if get(f"age{end}") is not None:
            second.append(f"age {get(f'age{end}'):.0f}")
        if get(f"similarity{end}") is not None:
            second.append(f"similarity {get(f'similarity{end}'):.2f}")
    return [" ".join(first), "  ".join(second)]
