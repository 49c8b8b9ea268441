"""Measure LPIPS or L2 between results and their inputs.

Prints a table with a row per target age, and writes it, all scores and a plot.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.metrics_options import metrics_parser, out_folder
from work.errors import run
from work.progress import loading

EXAMPLES = """%(prog)s --mode lpips \\
    --data_path exp/test/inference_results --gt_path faces"""


def main(argv: list[str] | None = None) -> int:
    parser = metrics_parser(__doc__, EXAMPLES, "results: flat, or one folder per target age")
    parser.add_argument("--mode", choices=("lpips", "l2"), default="lpips", help="what is measured")
    parser.add_argument(
        "--gt_path", type=Path, required=True, help="pictures of the same names to compare with"
    )
    parser.add_argument("--batch_size", type=int, default=4, help="pairs per batch")
    parser.add_argument("--workers", type=int, default=4, help="reading threads")
    options = parser.parse_args(argv)
    out = out_folder(options)
    with loading():
        from work import runtime
        from work.metrics import losses, report

    runtime.setup(options.device)
    scores = losses.measure(
        options.mode, options.data_path, options.gt_path, options.batch_size, options.workers
    )
    report.write_report(scores, out, options.data_path)
    return scores.exit_code()


if __name__ == "__main__":
    sys.exit(run(main))
