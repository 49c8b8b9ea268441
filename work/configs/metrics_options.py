"""The flags that all metrics scripts have, and where their scores go."""

from __future__ import annotations

import argparse
from pathlib import Path

from work.configs.command_line import make_parser
from work.files import check_folder

AGE_NETWORKS = ("auto", "dex", "age_v1")
ID_NETWORKS = ("auto", "curricularface", "dlib")
# How CurricularFace's crop is cut: as in pSp's script, or with better landmarks and a low-pass filter.
ID_CROPS = ("official", "filtered")
SCORES_FOLDER = "inference_metrics"
SCORED = "scored.txt"  # beside the scores: the name of the folder that was scored


def metrics_parser(description: str | None, examples: str, results: str) -> argparse.ArgumentParser:
    """A parser with --data_path (`results` says what lies there), --out_path and --device."""
    parser = make_parser(description, examples)
    parser.add_argument("--data_path", type=Path, required=True, help=results)
    parser.add_argument(
        "--out_path",
        type=Path,
        help=f"where scores go (default: {SCORES_FOLDER} beside data_path, or {SCORES_FOLDER}/NAME "
        "if another folder's scores are already there)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu (default: auto)")
    return parser


def out_folder(options: argparse.Namespace) -> Path:
    """Where the scores go: as in the official scripts, unless a sibling folder's scores are already there.

    Raises:
        UserError: it cannot be written to.
    """
    out: Path = options.out_path or _default_folder(options.data_path.resolve())
    check_folder(out)  # better now than after the work
    return out


def _default_folder(data_path: Path) -> Path:
    folder = data_path.parent / SCORES_FOLDER
    scored = folder / SCORED
    taken = scored.is_file() and scored.read_text(encoding="utf-8").strip() != data_path.name
    return folder / data_path.name if taken else folder
