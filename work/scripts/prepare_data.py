"""Resize a folder of aligned faces (FFHQ, UTKFace, ...) for training, in parallel; run again, it resumes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.flags import Options, option, require
from work.errors import run
from work.runtime import cpu_count

EXAMPLES = r"""%(prog)s --data_path=ffhq1024 --out_path=ffhq256
%(prog)s --data_path=UTKFace --out_path=utkface64 --size=64 --age_groups=coarse --hold_out=200"""


@dataclass
class PrepareOptions(Options):
    """The flags of this script."""

    data_path: str = option("", "folder of aligned faces, searched recursively")
    out_path: str = option("", "folder for the resized ones, under the same relative paths")
    size: int = option(256, "pixels of a side; training reads 256")
    format: str = option("png", "png loses nothing, jpg takes a quarter", choices=("png", "jpg"))
    workers: int = option(0, "threads; 0: one per core", expert=True)
    age_groups: Optional[str] = option(
        None,
        "read ages too and count these groups, e.g. 00-20,20-40,60+ (coarse, fine: presets); "
        "writes OUT/train and OUT/test",
        shown="no ages",
    )
    ages_csv: Optional[str] = option(
        None,
        "a table with the columns file and age",
        shown="ages.csv in data_path, else the names of the files",
    )
    hold_out: int = option(0, "faces of each age group that go to OUT/test")
    seed: int = option(0, "which faces these are")

    def __post_init__(self) -> None:
        for flag in ("data_path", "out_path"):
            require(bool(getattr(self, flag)), f"--{flag} is needed")
        data, out = Path(self.data_path).resolve(), Path(self.out_path).resolve()
        require(data not in (out, *out.parents), "--out_path lies outside --data_path")
        require(self.seed >= 0, "--seed is 0 or more")
        require(self.size >= 16, "--size is at least 16")
        require(self.workers >= 0, "--workers is 0 or more")
        require(self.hold_out >= 0, "--hold_out is 0 or more")
        require(
            bool(self.age_groups) or not (self.hold_out or self.ages_csv),
            "--hold_out and --ages_csv need --age_groups, e.g. --age_groups=coarse",
        )


def main(argv: list[str] | None = None) -> int:
    options = parse(PrepareOptions, argv, __doc__, EXAMPLES)
    from work.configs.age_groups import parse_groups
    from work.datasets.prepare import prepare
    from work.datasets.prepare_ages import prepare_ages

    out = Path(options.out_path)
    workers = options.workers or cpu_count()
    job = (Path(options.data_path), out, options.size, f".{options.format}", workers)
    if options.age_groups:
        table = Path(options.ages_csv) if options.ages_csv else None
        groups = parse_groups(options.age_groups)
        result = prepare_ages(*job, groups, options.hold_out, table, options.seed)
    else:
        result = prepare(*job)
    print(f"{result.done} resized, {result.there} were there already, {len(result.failed)} failed")
    if result.failed:
        print(f"the failed ones are listed in {out / 'bad_files.txt'}")
    return result.exit_code()


if __name__ == "__main__":
    sys.exit(run(main))
