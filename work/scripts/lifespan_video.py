"""Make a film of a face that ages, or of every face of a folder; or from one person to another."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.film_options import FilmOptions
from work.errors import UserError, run
from work.progress import loading

EXAMPLES = """%(prog)s me.jpg me.mp4 --caption
%(prog)s faces films --side_by_side --format gif --film_size 256
%(prog)s me.jpg me.webp --target_age 20,80 --seconds 4 --no-back
%(prog)s --interpolate me.jpg you.jpg we.mp4"""


def main(argv: list[str] | None = None) -> int:
    options = parse(FilmOptions, argv, __doc__, EXAMPLES)
    paths = options.paths
    needed = 3 if options.interpolate else 2
    if len(paths) != needed:
        names = "two photos and OUT" if options.interpolate else "IN and OUT"
        raise UserError(f"{names} are needed; {len(paths)} paths were given (see --help)")
    with loading():
        from work.inference.films import film_ages, film_between

    if options.interpolate:
        return film_between(paths[:2], paths[2], options)
    return film_ages(paths[0], paths[1], options)


if __name__ == "__main__":
    sys.exit(run(main))
