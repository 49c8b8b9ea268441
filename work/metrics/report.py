"""Scores of pictures: tables per target age, files, a plot, and what could not be judged."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from work.configs.metrics_options import SCORED
from work.datasets.images import ImageError
from work.errors import shown
from work.files import atomic_write
from work.metrics.results import Result
from work.progress import say


@dataclass
class Scores:
    """What was measured, by target age ("" in a flat folder) and name, and which files could not be judged.

    `here`: this process reports; of several, the first (see `work.metrics.share`).
    """

    label: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    here: bool = True

    def add(self, result: Result, value: float | ImageError) -> None:
        """Note the score of a result, or why there is none."""
        if isinstance(value, ImageError):
            self.failed.append((value.path, value.reason))
        else:
            self.values.setdefault(result.age, {})[result.name] = value

    def all(self) -> np.ndarray:
        """Every score, [n]."""
        return np.array([v for scores in self.values.values() for v in scores.values()])

    def ages(self) -> list[str]:
        """Target ages, ascending."""
        return sorted(self.values, key=lambda age: float(age or -1))

    def flat(self) -> list[tuple[str, str, float]]:
        """Every score as (target age, name, score)."""
        return [(age, *item) for age in self.ages() for item in self.values[age].items()]

    def rows(self) -> list[list]:
        """Per target age, and over all: age, number, mean, standard deviation, median."""
        groups = [(age, np.array(list(self.values[age].values()))) for age in self.ages() if age]
        groups.append(("all", self.all()))
        return [[age, len(x), x.mean(), x.std(), np.median(x)] for age, x in groups]

    def exit_code(self) -> int:
        """0 all judged (or another process reports), 1 some not, 2 none."""
        if not self.here:
            return 0
        return 2 if not self.values else 1 if self.failed else 0


def table(header: list[str], rows: list[list]) -> str:
    """Rows as aligned text."""
    cells = [header] + [
        [f"{c:.4f}" if isinstance(c, float) else str(c) for c in row] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in cells)


def write_report(scores: Scores, out: Path, scored: Path) -> None:
    """Print what was measured and what could not be, and write it to `out`, if anything was.

    `out` gets stat_LABEL.txt (a sentence, and the table), scores_LABEL.json (names to scores, within ages if
    there are any), scores_LABEL.csv, scores_LABEL.png and the name of the folder that was `scored`.
    """
    if not can_report(scores):
        return
    text = table(["age", "n", "mean", "std", "median"], scores.rows())
    print(f"{scores.label}:\n{text}", flush=True)
    write_stat(out, scores, f"{sentence(scores)}\n{text}")
    write_scores(out, scores, ["age", "name", scores.label], scored)
    _plot(scores, out / f"scores_{scores.label}.png")


def sentence(scores: Scores) -> str:
    """The line with which the official scripts of pSp report the mean and the standard deviation."""
    values = scores.all()
    what = {"lpips": "Average loss", "l2": "Average loss", "id": "New Average score"}
    name = what.get(scores.label, f"Average {scores.label}")
    return f"{name} is {values.mean():.2f}+-{values.std():.2f}"


def can_report(scores: Scores) -> bool:
    """Print what could not be judged; whether this process has anything else to report."""
    if not scores.here:
        return False
    for path, reason in scores.failed:
        say(f"not judged: {path}: {reason}")
    if not scores.values:
        print(f"none of {len(scores.failed)} pictures could be judged")
    return bool(scores.values)


def write_stat(out: Path, scores: Scores, text: str) -> None:
    """stat_LABEL.txt: `text`, then what could not be judged."""
    failures = "".join(f"not judged: {shown(path)}: {reason}\n" for path, reason in scores.failed)
    write_text(out / f"stat_{scores.label}.txt", f"{text}\n{failures}")


def write_scores(out: Path, scores: Scores, header: list[str], scored: Path) -> None:
    """Every single score as JSON and CSV, and the name of the folder that was `scored`."""
    data = scores.values[""] if scores.ages() == [""] else scores.values
    write_text(out / f"scores_{scores.label}.json", json.dumps(data, indent=1) + "\n")
    write_csv(out / f"scores_{scores.label}.csv", header, scores.flat())
    write_text(out / SCORED, f"{scored.resolve().name}\n")
    print(f"{len(scores.flat())} pictures judged, {len(scores.failed)} not; written to {out}")


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_csv(path: Path, header: list[str], rows: Sequence[Sequence]) -> None:
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file).writerows([header, *rows])


def figure():
    """A matplotlib figure and its axes, without a display."""
    # Paddle lets every library log to stderr, and matplotlib does the first time: a list of fonts was made.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6, 4), dpi=120, layout="tight")
    FigureCanvasAgg(picture)
    return picture, picture.add_subplot()


def save_figure(picture, path: Path) -> None:
    with atomic_write(path) as temporary:
        picture.savefig(temporary, format="png")


def _plot(scores: Scores, path: Path) -> None:
    picture, axes = figure()
    rows = scores.rows()[:-1]
    if rows:
        ages = [float(row[0]) for row in rows]
        axes.errorbar(
            ages, [row[2] for row in rows], [row[3] for row in rows], marker="o", capsize=3
        )
        axes.set(xlabel="target age", ylabel=f"{scores.label} (mean, standard deviation)")
    else:
        axes.hist(scores.all(), bins=20)
        axes.set(xlabel=scores.label, ylabel="pictures")
    save_figure(picture, path)
