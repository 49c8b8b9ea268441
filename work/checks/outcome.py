"""One line per check: its name, how it ended, and what there is to know."""

from __future__ import annotations

import time
from typing import Callable

from work.errors import UserError


class Missing(Exception):
    """Something is not there that the package can do without; the message says what that means."""


def report(name: str, check: Callable[[], str]) -> bool:
    """Run a check and print its line: ok, note (`Missing`) or FAIL (any other error). False for FAIL."""
    start = time.perf_counter()
    try:
        word, text = "ok", check()
    except Missing as error:
        word, text = "note", str(error)
    except UserError as error:
        word, text = "FAIL", str(error)
    except Exception as error:  # whatever it is, the other checks are needed too
        lines = str(error).strip().splitlines()
        word, text = "FAIL", f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"
    seconds = time.perf_counter() - start
    took = f" ({seconds:.1f} s)" if seconds >= 1 else ""
    print(f"{word:<5} {name:<10} {' '.join(text.split())}{took}", flush=True)
    return word != "FAIL"
