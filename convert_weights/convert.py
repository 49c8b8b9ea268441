"""Convert an official PyTorch checkpoint to Paddle; PyTorch is not needed and no code in it is run.

The kind of network is recognised from the names of the tensors. Every tensor must be named by a
rule and have the shape of the official network; otherwise nothing is written and the exit code
is 2.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from convert_weights.plan import Plan, make_plan
from convert_weights.reader import read
from convert_weights.rules import KINDS
from convert_weights.table import table
from convert_weights.writer import write_pdparams
from work.configs.command_line import make_parser
from work.configs.weights import KNOWN_WEIGHTS
from work.errors import UserError, run
from work.installation import weights_folder

EXAMPLES = r"""%(prog)s sam_ffhq_aging.pt work/pretrained_models/sam_ffhq_aging.pdparams
%(prog)s --all downloads    # a whole folder, under the names that the package expects"""
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


def parse(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        "source",
        nargs="?",
        type=Path,
        metavar="IN",
        help="PyTorch, safetensors or Paddle checkpoint",
    )
    parser.add_argument(
        "target", nargs="?", type=Path, metavar="OUT.pdparams", help="file to write"
    )
    parser.add_argument("--kind", default="auto", choices=["auto", *KINDS], help="what IN must be")
    parser.add_argument(
        "--all", type=Path, metavar="DIR", help="convert every checkpoint of a folder"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for --all (default: " + str(weights_folder()).replace("%", "%%") + ")",
    )
    args = parser.parse_args(argv)
    if args.all and (args.source or args.kind != "auto"):
        parser.error("--all takes neither IN, OUT nor --kind")
    if not args.all and (args.target is None or args.out):
        parser.error("give IN and OUT.pdparams, or --all DIR [--out DIR]")
    return args


def convert(source: Path, target: Path, kind: str = "auto") -> None:
    """Convert one file and print the table of what was mapped.

    Raises:
        UserError: nothing has been written then.
    """
    if target.suffix != ".pdparams":
        raise UserError(f"{target}: the output's name must end in .pdparams")
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(
            f"{target}: would overwrite the file that is converted; choose another name"
        )
    start = time.perf_counter()
    plan = make_plan(read(source), kind)
    write_plan(plan, target, start)


def write_plan(plan: Plan, target: Path, start: float) -> None:
    """Write what a plan describes and print its table."""
    write_pdparams(target, plan.kind, plan.state(), plan.latent_avg, plan.opts)
    print(table(plan))
    size, seconds = target.stat().st_size / 2**20, time.perf_counter() - start
    print(
        f"wrote {target}: {len(plan.state())} tensors, {size:.1f} MiB, {seconds:.1f} s\n",
        flush=True,
    )


def convert_folder(folder: Path, out: Path) -> int:
    """Convert every checkpoint of a folder. Returns the exit code: 1 if some failed, 2 if all."""
    if not folder.is_dir():
        raise UserError(f"--all {folder}: there is no such folder")
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not files:
        raise UserError(f"--all {folder}: holds no file that ends in {', '.join(SUFFIXES)}")
    # The official file of a kind comes first: it wins over another file of the same kind.
    official = {Path(entry.fetched).stem for entry in KNOWN_WEIGHTS.values()}
    files.sort(key=lambda path: path.stem not in official)
    done: Dict[str, Path] = {}
    failed = 0
    for path in files:
        start = time.perf_counter()
        try:
            plan = make_plan(read(path))
            if plan.kind in done:
                first = done[plan.kind].name
                raise UserError(f"{path}: is {plan.kind} like {first}: convert it by its own name")
            write_plan(plan, out / KNOWN_WEIGHTS[plan.kind].file, start)
            done[plan.kind] = path
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    print(f"{len(done)} converted to {out}, {failed} failed")
    return 0 if not failed else 1 if done else 2


def main(argv: Optional[List[str]] = None) -> int:
    args = parse(argv)
    if args.all:
        return convert_folder(args.all, args.out or weights_folder())
    convert(args.source, args.target, args.kind)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
