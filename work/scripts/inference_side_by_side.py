"""Make a lifespan grid of every face of a folder: the input, then one face per target age."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.options import TestOptions
from work.errors import run

EXAMPLES = r"""%(prog)s --exp_dir exp/test \
    --data_path faces --target_age 0,20,40,60,80 \
    --checkpoint_path work/pretrained_models/sam_ffhq_aging.pdparams"""


def main(argv: list[str] | None = None) -> int:
    options = parse(TestOptions, argv, __doc__, EXAMPLES)
    from work.inference.load import load_model

    model = load_model(options)  # Paddle is imported only when there is work for it
    from work.inference.grids import make_lifespan_grids

    return make_lifespan_grids(model, options)


if __name__ == "__main__":
    sys.exit(run(main))
