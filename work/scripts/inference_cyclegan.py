"""Age every face of a folder by Group-GAN, FA-GAN or F-GAN."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.flags import option, require
from work.configs.options import METHODS, TestOptions
from work.errors import run

EXAMPLES = r"""%(prog)s --method=f-gan --checkpoint_path=exp/fgan --data_path=faces --years=20
%(prog)s --data_path=young_faces --target_age=70 --exp_dir=exp/old"""


@dataclass
class BaselineOptions(TestOptions):
    """The flags of inference.py, and years to add."""

    method: Optional[str] = option(
        None, "which of the baselines", shown="the most that the networks can do", choices=METHODS
    )
    years: Optional[int] = option(
        None, "years to add (negative: to subtract), instead of --target_age", shown="none"
    )

    def __post_init__(self) -> None:
        if self.years is not None:
            both = "target_age" in self.typed
            require(not both, "--years and --target_age say the same thing: type one of them")
            self.target_age = f"{self.years:+d}"
        super().__post_init__()


def main(argv: list[str] | None = None) -> int:
    options = parse(BaselineOptions, argv, __doc__, EXAMPLES)
    from work.inference.load import load_baseline_model

    model = load_baseline_model(options)
    from work.inference.grids import age_folder

    return age_folder(model, options)


if __name__ == "__main__":
    sys.exit(run(main))
