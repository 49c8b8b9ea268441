"""Errors that are meant for people: one clear line, no traceback."""

from __future__ import annotations

import io
import signal
import sys
import unicodedata
from typing import Callable

from work.signals import Stopped, stoppable

# Control and format characters (they move the cursor, or turn the direction of writing), halves of characters
# (file names that are not UTF-8), line and paragraph separators.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def shown(text: object, keep: str = "") -> str:
    r"""Make a file name or another foreign text safe to print: ESC becomes \x1b.

    Args:
        keep: characters to leave alone, e.g. "\n" in a message of several lines.
    """
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in HIDDEN and character not in keep
        else character
        for character in str(text)
    )


class UserError(Exception):
    """Something that the user can fix. The message names the file, the flag or the key, and what to do."""

    def __init__(self, message: object = ""):
        super().__init__(shown(message, keep="\n"))


def run(main: Callable[[], int]) -> int:
    """Call a script's main and turn what people cause into one line on stderr and an exit code.

    Returns:
        main's own code, 2 after a UserError or where the system refuses a file, 130 after Ctrl-C and 143 after
        SIGTERM (the shell's convention).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a name's characters
    with stoppable() as stop:
        try:
            return main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as error:
            return _stopped(error.number if isinstance(error, Stopped) else signal.SIGINT)
        except Exception as error:
            if stop.number is not None:
                return _stopped(stop.number)  # what a library made of it
            if not isinstance(error, OSError) or error.filename is None:
                raise
            print(f"error: {shown(error.filename)}: {error.strerror}", file=sys.stderr)
            return 2


def _stopped(number: int) -> int:
    verb = "interrupted" if number == signal.SIGINT else "terminated"
    print(f"{verb}: every file written so far is whole", file=sys.stderr)
    return 128 + number
