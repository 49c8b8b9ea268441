"""Errors that are meant for people: one clear line, no traceback."""

from __future__ import annotations

import sys
from typing import Callable


class UserError(Exception):
    """Something the user can mend. The message names the file, the flag or the key, and what to do."""


def run(main: Callable[[], int]) -> int:
    """Call a script's main and turn what people cause into one line on stderr and an exit code.

    Returns:
        main's own code, 2 after a UserError, 130 after Ctrl-C (the shell's convention).
    """
    try:
        return main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: every file written so far is whole", file=sys.stderr)
        return 130
