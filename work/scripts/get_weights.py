"""Fetch known weights and convert them, or say how to get them.

With --bundle they are packed into one file for a machine without internet. There it is unpacked into the cache:
mkdir -p ~/.cache/paddle_sam && tar xf weights.tar -C ~/.cache/paddle_sam
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import make_parser
from work.configs.weights import DEFAULT_WEIGHTS, KNOWN_WEIGHTS
from work.downloads import cache_folder
from work.errors import UserError, run
from work.models.pretrained import bundle, fetch, installed, known

EXAMPLES = """%(prog)s --list
%(prog)s --default
%(prog)s psp stylegan2
%(prog)s --default --bundle weights.tar"""


def main(argv: list[str] | None = None) -> int:
    parser = make_parser(__doc__, EXAMPLES)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="weights to get, as --list names them"
    )
    parser.add_argument("--list", action="store_true", help="print all known weights and stop")
    parser.add_argument(
        "--dir", type=Path, help="put the converted files here (default: the cache of this user)"
    )
    parser.add_argument("--force", action="store_true", help="fetch and convert again")
    parser.add_argument(
        "--default", action="store_true", help="get what the package's own models need"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="FILE.tar",
        help="then pack them (without names: all that are here) into one file",
    )
    options = parser.parse_args(argv)
    if options.list:
        print_table()
        return 0
    names = [*options.names, *(DEFAULT_WEIGHTS if options.default else ())]
    if not names and not options.bundle:
        parser.error("name at least one of the weights that --list shows, or type --default")
    names = [known(name).name for name in names]  # before the first download
    got = [get(name, options.dir, options.force) for name in names]
    if options.bundle:
        packed = bundle(names or list(KNOWN_WEIGHTS), options.bundle)
        print(f"{options.bundle}: {', '.join(packed)}; unpack it into the other machine's cache:")
        print(f"mkdir -p ~/.cache/paddle_sam && tar xf {options.bundle} -C ~/.cache/paddle_sam")
    return 0 if all(got) else 1 if any(got) else 2


def get(name: str, folder: Path | None, force: bool) -> bool:
    """Get one of them; False after saying what is left to do."""
    there = installed(name) if folder is None else folder / known(name).file
    if there and there.is_file() and not force:
        print(f"{name}: already at {there}")
        return True
    try:
        print(f"{name}: {fetch(name, folder or cache_folder(), force)}", flush=True)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    return True


def print_table() -> None:
    for entry in KNOWN_WEIGHTS.values():
        print(f"{entry.name}  ({installed(entry.name) or 'not here'})")
        print(f"    for:     {entry.purpose}")
        print(f"    source:  {entry.source}: {entry.fetched}")
        if entry.url:
            print(f"    also:    {entry.url}")
        print(f"    licence: {entry.licence}")
        print(f"    sha256:  {entry.sha256 or 'not published'}")


if __name__ == "__main__":
    sys.exit(run(main))
