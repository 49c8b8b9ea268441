"""Age the faces of a photo, or of a folder of photos, in place."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse_with_paths
from work.configs.photo_options import PhotoOptions
from work.errors import UserError, run

EXAMPLES = """%(prog)s me.jpg me_70.jpg --target_age 70
%(prog)s holiday older --target_age +20
%(prog)s me.jpg lifespan --target_age 10,30,50,70
%(prog)s us.jpg us_later.jpg --target_age 70,+10 --per_face"""
PATHS = "a photo or a folder of photos, and a file name or a folder for the aged ones"


def main(argv: list[str] | None = None) -> int:
    paths, options = parse_with_paths(PhotoOptions, argv, __doc__, EXAMPLES, "IN OUT", PATHS)
    if len(paths) != 2:
        raise UserError(f"IN and OUT are needed; {len(paths)} paths were given (see --help)")
    from work.inference.photos import age_photos

    return age_photos(paths[0], paths[1], options)


if __name__ == "__main__":
    sys.exit(run(main))
