"""Find the latent codes of faces by optimisation through a frozen generator, and age them if asked."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.project_options import ProjectOptions
from work.errors import UserError, run
from work.progress import loading

EXAMPLES = """%(prog)s me.jpg --output projections --save_mp4
%(prog)s me.jpg you.jpg --step 60 --target_age 20,70 --blend composite
%(prog)s faces --no_crop --optimize_noise \\
    --ckpt work/pretrained_models/stylegan2-ffhq-config-f.pdparams"""


def main(argv: list[str] | None = None) -> int:
    options = parse(ProjectOptions, argv, __doc__, EXAMPLES)
    if not options.paths:
        raise UserError("which photos? Name files or folders (see --help)")
    with loading():
        from work.projector.files import project_files

    return project_files(options.paths, options)


if __name__ == "__main__":
    sys.exit(run(main))
