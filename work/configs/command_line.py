"""Command lines: flags out of option classes, file names and flags in any order, and the text of `--help`."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import sys
import textwrap
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn, Optional, Sequence, get_type_hints

from work.configs.flags import AnyOptions, Options, flags
from work.configs.saved_options import plain_type
from work.installation import this_command

UNKNOWN = "unrecognized arguments: "  # how argparse begins to complain about them
EXPERTS = "for experts"  # the heading in --help


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and for a mistyped flag which one was meant."""

    def error(self, message: str) -> NoReturn:
        if message.startswith(UNKNOWN):
            message = self._unknown(message[len(UNKNOWN) :].split())
        self.exit(2, f"error: {message} (see --help)\n")

    def _unknown(self, words: list[str]) -> str:
        typed = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not typed:
            return f"too many arguments: {' '.join(words)}"
        close = difflib.get_close_matches(typed[0], self._option_string_actions, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"there is no flag {typed[0]}{hint}"


class Switch(argparse.Action):
    """`--flag`, `--no-flag`, and the reference's `--flag=True` and `--flag=False`. `--no_flag` needs no opposite."""

    def __init__(self, option_strings: Sequence[str], dest: str, **keywords: Any):
        opposite = [] if dest.startswith("no_") else [f"--no-{dest}"]
        names = [*option_strings, *opposite]
        super().__init__(names, dest, nargs="?", **keywords)

    def __call__(self, parser, namespace, value, name=None):
        words = {None: True, "true": True, "1": True, "false": False, "0": False}
        word = value.lower() if value else None
        if word not in words:
            parser.error(f"{name} is on or off: type {name}, or {name}=False")
        setattr(namespace, self.dest, words[word] != name.startswith("--no-"))


class Formatter(argparse.RawDescriptionHelpFormatter):
    """The terminal's width up to 120 columns; switches without a value; defaults, where a help text lacks them."""

    def __init__(self, prog: str):
        width = min(shutil.get_terminal_size().columns, 120)
        super().__init__(prog, max_help_position=34, width=width)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            return ", ".join(action.option_strings)
        return super()._format_action_invocation(action)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        untold = "default" not in text and action.default not in (None, False, argparse.SUPPRESS)
        return f"{text} (default: %(default)s)" if untold else text


def make_parser(description: Optional[str], examples: str, **keywords: Any) -> Parser:
    """A parser whose help shows `examples`, in which `%(prog)s` stands for how the script was called."""
    return Parser(
        prog=this_command(),
        description=description,
        epilog="examples:\n" + textwrap.indent(examples, "  "),
        formatter_class=Formatter,
        **keywords,
    )


def parse(
    cls: type[AnyOptions], argv: Sequence[str] | None, description: str | None, examples: str
) -> AnyOptions:
    """Parse a command line into options; flags and file names, if `cls` has a field for them, come in any order.

    Prints one line and exits with code 2 if it cannot.
    """
    parser = make_parser(description, examples, argument_default=argparse.SUPPRESS)
    words = list(sys.argv[1:] if argv is None else argv)
    usage = "%(prog)s [flags]"
    for f in fields(cls):
        if "usage" in f.metadata:
            names = f.metadata["usage"]
            usage += f" {names}"
            parser.add_argument(
                f.name,
                nargs="*",
                type=_file_name,
                metavar=names.split()[0],
                help=f.metadata["text"],
            )
            words = _with_values(words, cls)
    parser.usage = usage
    add_flags(parser, cls)
    found = vars(parser.parse_intermixed_args(_with_negative_values(words, cls)))
    return cls(**found, typed=frozenset(found) & _kinds(cls).keys())


def _file_name(text: str) -> Path:
    if not text:  # an unset variable of a shell; Path would take it for the current folder
        raise argparse.ArgumentTypeError("a file name is empty")
    return Path(text)


def add_flags(parser: argparse.ArgumentParser, cls: type[Options]) -> None:
    """One flag per option of `cls`, its own before those of its base classes, experts' last."""
    experts = parser.add_argument_group(EXPERTS)
    kinds = _kinds(cls)
    for f in sorted(flags(cls), key=lambda f: _depth(cls, f)):
        group = experts if f.metadata["expert"] else parser
        choices = f.metadata["choices"] or None
        keywords: dict[str, Any] = {"help": _help(f), "default": argparse.SUPPRESS}
        if kinds[f.name] is bool:
            group.add_argument(f"--{f.name}", action=Switch, **keywords)
        else:
            metavar = None if choices else f.name.rsplit("_", 1)[-1].upper()
            keywords.update(type=kinds[f.name], choices=choices, metavar=metavar)
            group.add_argument(f"--{f.name}", **keywords)


def _depth(cls: type[Options], f: Field) -> int:
    """How far up the class hierarchy the option is defined."""
    bases = enumerate(cls.__mro__)
    return max(i for i, base in bases if f.name in getattr(base, "__dataclass_fields__", ()))


def _help(f: Field) -> str:
    if f.metadata["shown"]:
        default = f"default: {f.metadata['shown']}"
    elif isinstance(f.default, bool):
        default = f"default: {'on' if f.default else 'off'}"
    elif f.default == "":
        default = "required"
    else:
        default = f"default: {f.default}"
    return f"{f.metadata['help']} ({default})".replace("%", "%%")


def _kinds(cls: type[Options]) -> dict[str, Any]:
    """The type of each flag: int for Optional[int]."""
    hints = get_type_hints(cls)
    return {f.name: plain_type(hints[f.name]) for f in flags(cls)}


def _switches(cls: type[Options]) -> set[str]:
    names = [name for name, kind in _kinds(cls).items() if kind is bool]
    return {f"--{start}{name}" for name in names for start in ("", "no-")}


def _with_values(words: list[str], cls: type[Options]) -> list[str]:
    """Give switches their values, or argparse would take the file name after one for its value."""
    switches = _switches(cls)
    return [f"{word}=True" if word in switches else word for word in words]


def _with_negative_values(words: list[str], cls: type[Options]) -> list[str]:
    """Join a flag and a value such as -15,+20, which argparse would take for a flag."""
    valued = {f"--{name}" for name in _kinds(cls)} - _switches(cls)
    out: list[str] = []
    for word in words:
        if re.match(r"-\d", word) and out and out[-1] in valued:
            out[-1] = f"{out[-1]}={word}"
        else:
            out.append(word)
    return out
