"""Scores of pictures: tables per target age, files, a plot, and what could not be judged."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from work.files import atomic_write
from work.metrics.results import Result


@dataclass
class Scores:
    """What was measured, by target age ("" in a flat folder) and name, and which files could not be judged.

    `here`: this process reports; of several, the first (see `work.metrics.share`).
    """

    label: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    here: bool = True

    def add(self, result: Result, value: float) -> None:
        self.values.setdefault(result.age, {})[result.name] = value

    def all(self) -> np.ndarray:
        """Every score, [n]."""
        return np.array([v for scores in self.values.values() for v in scores.values()])

    def ages(self) -> list[str]:
        return sorted(self.values, key=lambda age: float(age or -1))

    def rows(self) -> list[list]:
        """Per target age, and over all: age, number, mean, standard deviation, median."""
        groups = [(age, np.array(list(self.values[age].values()))) for age in self.ages() if age]
        groups.append(("all", self.all()))
        return [[age, len(x), x.mean(), x.std(), np.median(x)] for age, x in groups]


def table(header: list[str], rows: list[list]) -> str:
    """Rows as aligned text."""
    cells = [header] + [
        [f"{c:.4f}" if isinstance(c, float) else str(c) for c in row] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in cells)


def has_scores(scores: Scores) -> bool:
    """Name what could not be judged; say so if nothing could."""
    for path, reason in scores.failed:
        print(f"not judged: {path}: {reason}")
    if not scores.values:
        print(f"none of {len(scores.failed)} pictures could be judged")
    return bool(scores.values)


def close(scores: Scores, out: Path) -> int:
    """Print the table and what failed, write all files; return the exit code.

    `out` gets stat_LABEL.txt (mean and deviation, and the table), scores_LABEL.json (names to scores, within
    ages if there are any), scores_LABEL.csv and scores_LABEL.png.
    """
    if not scores.here:
        return 0
    if not has_scores(scores):
        return 2
    text = table(["age", "n", "mean", "std", "median"], scores.rows())
    values = scores.all()
    summary = f"Average {scores.label} is {values.mean():.4f}+-{values.std():.4f}\n"
    print(text)
    data = scores.values.get("", {}) if scores.ages() == [""] else scores.values
    lines = [[age, name, v] for age in scores.ages() for name, v in scores.values[age].items()]
    write_text(out / f"stat_{scores.label}.txt", f"{summary}{text}\n{_failures(scores)}")
    write_text(out / f"scores_{scores.label}.json", json.dumps(data, indent=1) + "\n")
    write_csv(out / f"scores_{scores.label}.csv", ["age", "name", scores.label], lines)
    _plot(scores, out / f"scores_{scores.label}.png")
    print(f"{len(values)} pictures judged, {len(scores.failed)} not; written to {out}")
    return 1 if scores.failed else 0


def _failures(scores: Scores) -> str:
    return "".join(f"not judged: {path}: {reason}\n" for path, reason in scores.failed)


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: list[str], rows: list[list]) -> None:
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([header, *rows])


def figure():
    """A matplotlib figure and its axes, without a display."""
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
