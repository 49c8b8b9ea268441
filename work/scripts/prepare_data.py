"""Resize a folder of aligned faces (FFHQ, CelebA-HQ) for training, in parallel; run again, it resumes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.options import Typed, option, require
from work.errors import run
from work.runtime import cpu_count

EXAMPLES = "%(prog)s --data_path=ffhq1024 --out_path=ffhq256"


@dataclass
class PrepareOptions(Typed):
    """The flags of this script."""

    data_path: str = option("", "folder of aligned faces, searched recursively")
    out_path: str = option("", "folder for the resized ones, under the same relative paths")
    size: int = option(256, "pixels of a side; training reads 256")
    format: str = option("png", "png loses nothing, jpg takes a quarter", choices=("png", "jpg"))
    workers: int = option(0, "threads; 0: one per core")

    def __post_init__(self) -> None:
        for flag in ("data_path", "out_path"):
            require(bool(getattr(self, flag)), f"--{flag} is needed")
        require(
            Path(self.data_path).resolve() != Path(self.out_path).resolve(),
            "--out_path is another folder than --data_path",
        )
        require(self.size >= 16, "--size is at least 16")
        require(self.workers >= 0, "--workers is 0 or more")


def main(argv: list[str] | None = None) -> int:
    options = parse(PrepareOptions, argv, __doc__, EXAMPLES)
    from work.datasets.prepare import prepare

    out = Path(options.out_path)
    workers = options.workers or cpu_count()
    result = prepare(Path(options.data_path), out, options.size, f".{options.format}", workers)
    print(f"{result.done} resized, {result.there} were there already, {len(result.failed)} failed")
    if result.failed:
        print(f"the failed ones are listed in {out / 'bad_files.txt'}")
    return result.exit_code()


if __name__ == "__main__":
    sys.exit(run(main))
