"""Measure how alike results and their inputs are, by face recognition.

CurricularFace if its weights are there (cosine: 1 is the same), else dlib's network (a distance: 0 is the same,
below 0.6 usually one person).
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.metrics_options import ID_CROPS, ID_NETWORKS, metrics_parser, out_folder
from work.errors import UserError, run

EXAMPLES = """%(prog)s --num_threads 4 \\
    --data_path exp/test/inference_results --gt_path faces"""


def main(argv: list[str] | None = None) -> int:
    parser = metrics_parser(__doc__, EXAMPLES, "results: flat, or one folder per target age")
    parser.add_argument(
        "--gt_path", type=Path, required=True, help="pictures of the same names to compare with"
    )
    parser.add_argument("--num_threads", type=int, default=4, help="processes")
    parser.add_argument(
        "--network",
        choices=ID_NETWORKS,
        default="auto",
        help="auto takes CurricularFace (cosine: 1 is the same) if its weights are here, else dlib's "
        "(distance: 0 is the same, below 0.6 usually one person)",
    )
    parser.add_argument(
        "--crop",
        choices=ID_CROPS,
        help="of CurricularFace: official is on the papers' scale; filtered, with better landmarks and no "
        "aliasing, gives higher scores",
    )
    options = parser.parse_args(argv)
    out = out_folder(options)
    from work.metrics import id_similarity, report

    network = id_similarity.choose_network(options.network)
    if options.crop and network == "dlib":
        raise UserError(
            "--crop is for --network curricularface; dlib's network has a crop of its own"
        )
    crop = options.crop or "official"
    print(f"network: {network}" + (f", crop: {crop}" if network == "curricularface" else ""))
    scores = id_similarity.measure(
        options.data_path, options.gt_path, options.num_threads, network, options.device, crop
    )
    report.write_report(scores, out, options.data_path)
    return scores.exit_code()


if __name__ == "__main__":
    sys.exit(run(main))
