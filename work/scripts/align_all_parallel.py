"""Cut FFHQ-aligned faces out of a folder of photos, in several processes.

Writes one crop per photo to ROOT_crops; run again, it makes those that are missing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import make_parser
from work.errors import run

EXAMPLES = "%(prog)s --root_path photos --num_threads 4"


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        "--root_path", type=Path, required=True, help="folder of photos, searched recursively"
    )
    parser.add_argument("--num_threads", type=int, default=1, help="processes")
    parser.add_argument(
        "--out_path", type=Path, help="where crops go (default: root_path + _crops)"
    )
    parser.add_argument("--all_faces", action="store_true", help="every face, not only the largest")
    parser.add_argument("--output_size", type=int, default=256, help="px of a crop")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu")
    options = parser.parse_args(argv)
    from work.faces.align_folder import align_folder

    root = options.root_path
    out = options.out_path or Path(f"{os.path.abspath(root)}_crops")
    return align_folder(
        root, out, options.num_threads, options.all_faces, options.output_size, options.device
    )


if __name__ == "__main__":
    sys.exit(run(main))
