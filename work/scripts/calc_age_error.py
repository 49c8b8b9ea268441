"""Measure estimated against target age: error, bias, correlation, and how often an older target looks older.

It reads ages with DEX if its weights are there, else with the small network that pip can fetch.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.metrics_options import AGE_NETWORKS, metrics_parser, out_folder
from work.errors import run

EXAMPLES = """%(prog)s --num_threads 2 --data_path exp/test/inference_results"""


def main(argv: list[str] | None = None) -> int:
    parser = metrics_parser(__doc__, EXAMPLES, "results: one folder per target age")
    parser.add_argument("--num_threads", type=int, default=4, help="processes")
    parser.add_argument(
        "--network",
        choices=AGE_NETWORKS,
        default="auto",
        help="auto takes DEX if its weights are here, else the small age_v1",
    )
    options = parser.parse_args(argv)
    out = out_folder(options)
    from work.metrics import age_error

    network = age_error.choose_network(options.network)
    scores = age_error.measure(options.data_path, options.num_threads, network, options.device)
    age_error.write_report(scores, out, options.data_path, network)
    return scores.exit_code()


if __name__ == "__main__":
    sys.exit(run(main))
