"""Open a web page on this machine: drop a photo, choose an age, see and download the aged face.

It listens on 127.0.0.1 (--host chooses another address), sends nothing anywhere, and deletes uploads with the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from work.configs.command_line import parse
from work.configs.web_options import WebOptions
from work.errors import run


def main(argv: list[str] | None = None) -> int:
    options = parse(WebOptions, argv, __doc__, "%(prog)s --port 8080")
    from work.web.server import serve

    return serve(options)


if __name__ == "__main__":
    sys.exit(run(main))
