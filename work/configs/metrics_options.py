"""The flags that all metrics scripts have."""

from __future__ import annotations

import argparse
from pathlib import Path

from work.configs.command_line import make_parser


def metrics_parser(description: str | None, examples: str, results: str) -> argparse.ArgumentParser:
    """A parser with --data_path (`results` says what lies there), --out_path and --device."""
    parser = make_parser(description, examples)
    parser.add_argument("--data_path", type=Path, required=True, help=results)
    parser.add_argument(
        "--out_path",
        type=Path,
        help="where scores go (default: inference_metrics beside data_path)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu (default auto)")
    return parser


def out_folder(options: argparse.Namespace) -> Path:
    """Where the scores go."""
    return options.out_path or options.data_path.parent / "inference_metrics"
