"""Command lines that mix file names with flags, e.g. `script.py A.jpg --loud B.jpg --age -15,+20`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Sequence, get_type_hints

from work.configs.options import add_flags, plain_type


def parse_with_paths(
    cls: type, argv: Sequence[str] | None, description: str, example: str, usage: str, text: str
) -> tuple[list[Path], Any]:
    """Parse paths and the flags of the dataclass `cls`, in any order.

    Args:
        usage: how the paths are shown, e.g. "IN OUT".
        text: the help on them.

    Returns:
        The paths, and the options with the names of the flags that were typed in `.typed`.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{example}",
        usage=f"%(prog)s [flags] {usage}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar=usage.split()[0], help=text)
    add_flags(parser, cls)
    words = _joined(list(sys.argv[1:] if argv is None else argv), cls)
    typed = vars(parser.parse_intermixed_args(words))
    paths = typed.pop("paths", None) or []
    options = cls(**typed)
    options.typed = frozenset(typed)
    return paths, options


def _joined(words: list[str], cls: type) -> list[str]:
    """Join flags and values where argparse would misread them.

    It would take the file name after a switch for the switch's value, and -15,+20 for a flag.
    """
    kinds = {name: plain_type(kind) for name, kind in get_type_hints(cls).items()}
    switches = {
        f"--{start}{n}" for n, kind in kinds.items() if kind is bool for start in ("", "no-")
    }
    out: list[str] = []
    for word in words:
        flag = out[-1] if out else ""
        if re.match(r"-\d", word) and flag[2:] in kinds and flag not in switches:
            out[-1] = f"{flag}={word}"
        else:
            out.append(word)
    return [f"{word}=True" if word in switches else word for word in out]
