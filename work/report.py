"""What a run over many files did and what it could not: failures named, results counted, an exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from work.errors import UserError


@dataclass
class Report:
    """Files that were done and errors of those that were not.

    Attributes:
        noun: what one of them is called.
        skipped: those whose results were there already.
        faceless: those that were left out because no face was found in them.
    """

    done: int = 0
    failed: list[UserError] = field(default_factory=list)
    noun: str = "image"
    skipped: int = 0
    faceless: int = 0

    def exit_code(self) -> int:
        """0 all done (or this process had nothing to do), 1 some failed, 2 all failed."""
        return 0 if not self.failed else 1 if self.done + self.skipped else 2

    def finish(self, where: Path) -> int:
        """Print the failures and where the results are; return the exit code."""
        for error in self.failed:
            print(f"failed: {error}", file=sys.stderr)
        if self.failed:
            print(
                f"{len(self.failed)} of {self.done + len(self.failed)} {self.noun}s failed",
                file=sys.stderr,
            )
        if self.skipped:
            print(f"{self.skipped} skipped: their results are there already")
        if self.faceless:
            print(f"{self.faceless} left out: no face found")
        if self.done:
            plural = "" if self.done == 1 else "s"
            print(f"{self.done} {self.noun}{plural} done, results in {where}")
        return self.exit_code()
