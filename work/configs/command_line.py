"""Command lines: flags out of option classes, file names and flags in any order, and the text of `--help`."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any, Optional, Sequence, get_args, get_origin, get_type_hints

from work.installation import this_command


def make_parser(
    description: Optional[str], examples: str, **keywords: Any
) -> argparse.ArgumentParser:
    """A parser whose help shows `examples`, in which `%(prog)s` stands for how the script was called."""
    return argparse.ArgumentParser(
        prog=this_command(),
        description=description,
        epilog="examples:\n" + textwrap.indent(examples, "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **keywords,
    )


def parse(cls: type, argv: Sequence[str] | None, description: str | None, examples: str) -> Any:
    """Parse a command line into the option class `cls`; `.typed` tells which flags the user typed."""
    parser = make_parser(description, examples, argument_default=argparse.SUPPRESS)
    add_flags(parser, cls)
    return _options(cls, vars(parser.parse_args(argv)))


def parse_with_paths(
    cls: type,
    argv: Sequence[str] | None,
    description: str | None,
    examples: str,
    usage: str,
    text: str,
) -> tuple[list[Path], Any]:
    """Parse file names and the flags of `cls`, in any order, e.g. `A.jpg --loud B.jpg --age -15,+20`.

    Args:
        usage: how the file names are shown, e.g. "IN OUT".
        text: the help on them.
    """
    parser = make_parser(description, examples, argument_default=argparse.SUPPRESS)
    parser.usage = f"%(prog)s [flags] {usage}"
    parser.add_argument("paths", nargs="*", type=Path, metavar=usage.split()[0], help=text)
    add_flags(parser, cls)
    words = _joined(list(sys.argv[1:] if argv is None else argv), cls)
    typed = vars(parser.parse_intermixed_args(words))
    paths = typed.pop("paths", None) or []
    return paths, _options(cls, typed)


def _options(cls: type, typed: dict[str, Any]) -> Any:
    options = cls(**typed)
    options.typed = frozenset(typed)
    return options


class Switch(argparse.BooleanOptionalAction):
    """`--flag`, `--no-flag`, and the reference's `--flag=True` and `--flag=False`."""

    def __init__(self, *names: Any, **keywords: Any):
        super().__init__(*names, **keywords)
        self.nargs = "?"

    def __call__(self, parser, namespace, value, name=None):
        words = {None: True, "true": True, "1": True, "false": False, "0": False}
        word = value.lower() if value else None
        if word not in words:
            parser.error(f"{name} is on or off: type {name}, --no-{self.dest}, or {name}=True")
        setattr(namespace, self.dest, words[word] != name.startswith("--no-"))


def add_flags(parser: argparse.ArgumentParser, cls: type) -> None:
    """One flag per field of `cls`; a field that was not typed is left out of the result."""
    kinds = _kinds(cls)
    for f in fields(cls):
        text = f.metadata["help"].replace("%", "%%")
        if f.default not in (None, False, ""):
            text += f" (default: {f.default})"
        keywords: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS}
        if kinds[f.name] is bool:
            parser.add_argument(f"--{f.name}", action=Switch, **keywords)
        else:
            choices = f.metadata.get("choices")
            metavar = None if choices else f.name.rsplit("_", 1)[-1].upper()
            parser.add_argument(
                f"--{f.name}", type=kinds[f.name], choices=choices, metavar=metavar, **keywords
            )


def _kinds(cls: type) -> dict[str, Any]:
    """The type of each flag: int for Optional[int]."""
    hints = get_type_hints(cls)
    return {f.name: _plain(hints[f.name]) for f in fields(cls)}


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) is None:
        return annotation
    return next(a for a in get_args(annotation) if a is not type(None))


def _joined(words: list[str], cls: type) -> list[str]:
    """Join flags and values where argparse would misread them.

    It would take the file name after a switch for the switch's value, and -15,+20 for a flag.
    """
    kinds = _kinds(cls)
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
