"""Age the faces of a photo, or of a folder of photos, in place."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.photo_options import PhotoOptions
from work.errors import UserError, run
from work.progress import loading

EXAMPLES = """%(prog)s me.jpg --target_age 70
%(prog)s me.jpg older.jpg --target_age 70
%(prog)s holiday older --target_age +20
%(prog)s me.jpg lifespan --target_age 10,30,50,70
%(prog)s us.jpg us_later.jpg --target_age 70,+10 --per_face"""


def main(argv: list[str] | None = None) -> int:
    options = parse(PhotoOptions, argv, __doc__, EXAMPLES)
    if not 1 <= len(options.paths) <= 2:
        raise UserError(
            f"IN, or IN and OUT are needed; {len(options.paths)} paths were given (see --help)"
        )
    with loading():
        from work.inference.photos import age_photos

    source, *target = options.paths
    return age_photos(source, target[0] if target else None, options)


if __name__ == "__main__":
    sys.exit(run(main))
