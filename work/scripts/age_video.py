"""Age the people in a film: every frame, with its sound."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.video_options import VideoOptions
from work.errors import UserError, run

EXAMPLES = """%(prog)s film.mp4 older.mp4 --target_age 70
%(prog)s film.mp4 older.mp4 --target_age 70,+10
%(prog)s film.mp4 people.png --people
%(prog)s film.mp4 older.mp4 --person 2=70,1=+10"""


def main(argv: list[str] | None = None) -> int:
    options = parse(VideoOptions, argv, __doc__, EXAMPLES)
    if len(options.paths) != 2:
        raise UserError(
            f"IN and OUT are needed; {len(options.paths)} paths were given (see --help)"
        )
    from work.video.film import age_film

    age_film(options.paths[0], options.paths[1], options)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
