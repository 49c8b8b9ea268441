"""The log of a run: lines on the terminal, scalars and pictures on disk, and for VisualDL if it is installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Mapping

import numpy as np
from PIL import Image

from work.datasets.images import save_image


class Log:
    """Writes `logs/scalars.jsonl`, and VisualDL's files beside it if VisualDL is installed.

    Args:
        folder: where the log goes, `exp_dir/logs`.
        active: False on all ranks but the first, which log nothing.
    """

    def __init__(self, folder: Path, active: bool = True):
        self.folder, self.active = folder, active
        self.board: Any = None  # VisualDL's writer
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            from visualdl import LogWriter
        except ImportError:
            print(f"note: VisualDL is not installed; scalars go to {folder / 'scalars.jsonl'} only")
        else:
            self.board = LogWriter(logdir=str(folder))

    def say(self, text: str) -> None:
        if self.active:
            print(text, flush=True)

    def scalars(self, split: str, step: int, values: Mapping[str, float]) -> None:
        """Append the numbers of a step; `split` is "train" or "test"."""
        if not self.active:
            return
        line = {"split": split, "step": step, "time": round(time.time(), 1), **values}
        with open(self.folder / "scalars.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(f"{split}/{name}", value, step)

    def picture(self, split: str, step: int, picture: Image.Image) -> None:
        """Save a panel as `images/SPLIT/STEP.jpg`."""
        if not self.active:
            return
        save_image(picture, self.folder / "images" / split / f"{step:06d}.jpg")
        if self.board:
            self.board.add_image(f"{split}/faces", np.asarray(picture), step)

    def close(self) -> None:
        if self.board:
            self.board.close()


class Pace:
    """How fast a run goes, and how long it will take."""

    def __init__(self, faces_per_step: int):
        self.faces_per_step = faces_per_step
        self.started = self.since = time.perf_counter()
        self.steps = self.recent = 0

    def step(self) -> None:
        self.steps += 1
        self.recent += 1

    def line(self, steps_left: int) -> str:
        """Images per second since the last call, and the time left."""
        now = time.perf_counter()
        rate = self.recent * self.faces_per_step / max(now - self.since, 1e-9)
        left = steps_left * (now - self.started) / max(self.steps, 1)
        self.since, self.recent = now, 0
        return f"{rate:.2f} img/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """3723 -> "1:02:03"; from a day on, "2 d 1:02:03"."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours}:{minutes:02d}:{seconds:02d}"


def term_line(terms: Mapping[str, Any]) -> str:
    """The total and then the terms by name, with four digits each."""
    names = ["loss"] + sorted(n for n in terms if n != "loss")
    return "  ".join(f"{n.replace('loss_', '')} {terms[n]:.4g}" for n in names if n in terms)
