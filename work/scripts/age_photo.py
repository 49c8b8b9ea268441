"""Age the faces of a photo, or of a folder of photos, in place."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.options import add_flags
from work.configs.photo_options import PhotoOptions
from work.errors import run

EXAMPLE = """examples:
  python scripts/age_photo.py me.jpg me_70.jpg --target_age 70
  python scripts/age_photo.py holiday older --target_age +20
  python scripts/age_photo.py me.jpg lifespan --target_age 10,30,50,70
  python scripts/age_photo.py us.jpg us_later.jpg --target_age 70,+10 --per_face"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, metavar="IN", help="a photo, or a folder of photos")
    parser.add_argument("output", type=Path, metavar="OUT", help="a file name, or a folder")
    add_flags(parser, PhotoOptions)
    typed = vars(parser.parse_args(_joined(sys.argv[1:] if argv is None else argv)))
    source, target = typed.pop("input"), typed.pop("output")
    options = PhotoOptions(**typed)
    options.typed = frozenset(typed)
    from work.inference.photos import age_photos

    return age_photos(source, target, options)


def _joined(argv: list[str]) -> list[str]:
    """Join flags and values where argparse would misread them.

    `--target_age -15,+20` (it takes -15,+20 for a flag), and `--largest IN OUT` (it takes IN for the switch's value).
    """
    out = [f"{word}=True" if word in ("--largest", "--per_face") else word for word in argv]
    if "--target_age" in out[:-1]:
        at = out.index("--target_age")
        out[at : at + 2] = [f"--target_age={out[at + 1]}"]
    return out


if __name__ == "__main__":
    sys.exit(run(main))
