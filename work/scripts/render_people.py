"""Render people who do not exist at 14 ages each, the pairs for train_reaging.py. Run again, it resumes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.flags import Options, option, require
from work.errors import run
from work.runtime import cpu_count

EXAMPLES = r"""%(prog)s --out_path=people --count=2000"""


@dataclass
class RenderOptions(Options):
    """The flags of this script."""

    out_path: str = option("", "folder for the people, a folder of 512 px pictures each")
    count: int = option(2000, "people; about ten seconds of one core and 1 MB each")
    workers: int = option(0, "processes of one thread; 0: one per core")

    def __post_init__(self) -> None:
        require(bool(self.out_path), "--out_path is needed")
        require(self.count >= 1, "--count is at least 1")
        require(self.workers >= 0, "--workers is 0 or more")


def main(argv: list[str] | None = None) -> int:
    options = parse(RenderOptions, argv, __doc__, EXAMPLES)
    from work.training.reaging.render_folder import render_folder

    out, workers = Path(options.out_path), options.workers or cpu_count()
    there, left_out = render_folder(out, options.count, workers)
    print(
        f"{there} people in {out}; {left_out} were left out because their pictures miss their ages"
    )
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
