"""Several metrics in one table, a row per target age: as text, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from work.metrics.report import Scores, table, write_csv, write_text

# By a metric's label: the column's name, and whether more is better.
COLUMNS = {
    "lpips": ("LPIPS", False),
    "l2": ("L2", False),
    "id": ("identity", True),
    "id_distance": ("identity distance", False),
    "age": ("age error", False),
}


def rows_by_age(metrics: Sequence[Scores]) -> list[list]:
    """Per target age, and over all: the age, the number of pictures, the mean of each metric.

    Only pictures that every metric could judge count; without any there are no rows. Of estimated ages the
    error counts, in years.
    """
    values = [{(age, name): value for age, name, value in scores.flat()} for scores in metrics]
    common = set.intersection(*(set(one) for one in values))
    for scores, one in zip(metrics, values):
        if scores.label == "age":
            one.update({key: abs(one[key] - float(key[0])) for key in common})
    ages = sorted({age for age, _ in common if age}, key=float)
    groups = [(age, [key for key in common if key[0] == age]) for age in ages]
    groups += [("all", list(common))] if common else []
    return [
        [age, len(keys), *(float(np.mean([one[key] for key in keys])) for one in values)]
        for age, keys in groups
    ]


def write_overview(metrics: Sequence[Scores], out: Path) -> None:
    """Print the table of several metrics of one folder, and write it as table.csv and table.tex."""
    if not metrics[0].here:
        return
    rows = rows_by_age(metrics)
    if not rows:
        print("no picture could be judged by all metrics: there is no common table")
        return
    names, more = zip(*(COLUMNS[scores.label] for scores in metrics))
    print(table(["age", "n", *names], rows))
    write_csv(out / "table.csv", ["age", "n", *names], rows)
    write_text(out / "table.tex", latex(names, more, rows))
    print(f"written to {out / 'table.csv'} and {out / 'table.tex'}")


def latex(names: Sequence[str], more: Sequence[bool], rows: Sequence[Sequence]) -> str:
    """A tabular with booktabs' rules, the row over all below the others; arrows say which way is better."""
    arrows = (r"$\uparrow$" if good else r"$\downarrow$" for good in more)
    head = ["age", "$n$", *(f"{name} {arrow}" for name, arrow in zip(names, arrows))]
    lines = [" & ".join([row[0], str(row[1]), *(f"{x:.3f}" for x in row[2:])]) for row in rows]
    body = [f"{line} \\\\" for line in lines]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{'r' * len(head)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body[:-1],
            *([r"\midrule"] if len(body) > 1 else []),
            body[-1],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
