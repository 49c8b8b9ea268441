"""Measure LPIPS, identity and age error, and put them into one table with a row per target age.

Beside the files of the three scripts it writes table.csv and table.tex, for a paper.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.metrics_options import AGE_NETWORKS, ID_NETWORKS, metrics_parser, out_folder
from work.errors import run
from work.progress import loading

EXAMPLES = """%(prog)s --num_threads 2 --data_path exp/test/inference_results --gt_path faces"""


def main(argv: list[str] | None = None) -> int:
    parser = metrics_parser(__doc__, EXAMPLES, "results: flat, or one folder per target age")
    parser.add_argument(
        "--gt_path", type=Path, required=True, help="pictures of the same names to compare with"
    )
    parser.add_argument("--num_threads", type=int, default=4, help="processes")
    parser.add_argument("--batch_size", type=int, default=4, help="pairs per batch")
    parser.add_argument(
        "--id_network",
        choices=ID_NETWORKS,
        default="auto",
        help="auto takes CurricularFace if its weights are here, else dlib's",
    )
    parser.add_argument(
        "--age_network",
        choices=AGE_NETWORKS,
        default="auto",
        help="auto takes DEX if its weights are here, else the small age_v1",
    )
    options = parser.parse_args(argv)
    out = out_folder(options)
    with loading():
        from work import runtime
        from work.metrics import age_error, id_similarity, losses, overview, report
    from work.metrics.results import list_results

    data, gt, workers = options.data_path, options.gt_path, options.num_threads
    in_ages = any(result.has_target for result in list_results(data, gt))
    runtime.setup(options.device)
    metrics = [losses.measure("lpips", data, gt, options.batch_size, workers)]
    network = id_similarity.choose_network(options.id_network)
    print(f"identity network: {network}")
    metrics.append(id_similarity.measure(data, gt, workers, network, options.device))
    for scores in metrics:
        report.write_report(scores, out, data)
    if in_ages:
        network = age_error.choose_network(options.age_network)
        metrics.append(age_error.measure(data, workers, network, options.device))
        age_error.write_report(metrics[-1], out, data, network)
    else:
        print("no folders named after target ages: no age error")
    overview.write_overview(metrics, out)
    return max(scores.exit_code() for scores in metrics)


if __name__ == "__main__":
    sys.exit(run(main))
