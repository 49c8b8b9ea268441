"""Draw what runs logged, a panel for each term: training as a running mean, validation as dots.

    python benchmarks/curves.py exp/small_psp exp/small_sam --terms loss,lpips,id --out curves.png

Runs that went on from each other stand one behind the other: the second begins where the first ended.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from work.errors import UserError, run
from work.files import atomic_write

MEAN = 20  # lines of the log that a point of a training curve is the mean of
WIDTH, HEIGHT, COLUMNS = 4.2, 2.8, 3  # inches of a panel, and panels in a row


def read_log(folder: Path) -> list[dict]:
    """The lines of a run's log; of steps that were taken twice, after a kill, the later one.

    Raises:
        UserError: there is no log.
    """
    file = folder / "logs" / "scalars.jsonl"
    if not file.is_file():
        raise UserError(f"{file} does not exist; name the folder of a run")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return list({(line["split"], line["step"]): line for line in lines}.values())


def curve(lines: list[dict], split: str, term: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps [N] and values [N] of a term, in training or validation."""
    found = sorted((x["step"], x[term]) for x in lines if x["split"] == split and term in x)
    steps, values = np.array(found, float).reshape(-1, 2).T
    return steps, values


def draw(folders: list[Path], terms: list[str]) -> Figure:
    """A panel for each term, in it a colour for each run."""
    logs = [read_log(folder) for folder in folders]
    rows, columns = -(-len(terms) // COLUMNS), min(len(terms), COLUMNS)
    figure = Figure((WIDTH * columns, HEIGHT * rows), layout="constrained")
    for place, term in enumerate(terms):
        axes = figure.add_subplot(rows, columns, place + 1)
        start = 0.0
        for number, (folder, lines) in enumerate(zip(folders, logs)):
            colour = f"C{number}"
            steps, values = curve(lines, "train", term)
            if len(values) >= MEAN:
                calm = np.convolve(values, np.full(MEAN, 1 / MEAN), "valid")
                axes.plot(start + steps[MEAN - 1 :], calm, color=colour, label=folder.name)
            steps, values = curve(lines, "test", term)
            name = f"{folder.name}, validation"
            axes.plot(start + steps, values, "o", color=colour, markersize=3, label=name)
            start += max(line["step"] for line in lines)
        axes.set_title(term, fontsize=10)
        axes.set_xlabel("steps", fontsize=8)
        axes.grid(alpha=0.3)
    named = figure.axes[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside upper center", ncols=len(folders), fontsize=7)
    return figure


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--terms", default="loss", help="names in the log, separated by commas")
    parser.add_argument("--out", type=Path, required=True, help="a picture")
    options = parser.parse_args(argv)
    figure = draw(options.runs, [term.strip() for term in options.terms.split(",")])
    with atomic_write(options.out) as temporary:
        figure.savefig(temporary, dpi=110, format=options.out.suffix[1:] or "png")
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
