"""Options that were saved with a run or a checkpoint: whether each is what its flag would take."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Dict, Mapping, Union, get_args, get_origin, get_type_hints

from work.configs.flags import AnyOptions, Options, flags, is_choice
from work.configs.options import ModelOptions
from work.errors import UserError

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
UNIONS = (Union, getattr(types, "UnionType", Union))


def with_saved(
    options: AnyOptions, saved: Mapping[str, Any], cls: type[Options] = ModelOptions
) -> AnyOptions:
    """A copy of `options` in which the flags of `cls` that the user did not type come from `saved`."""
    names = {f.name for f in flags(cls)} - options.typed
    found = {k: v for k, v in saved.items() if k in names and v is not None}
    return dataclasses.replace(options, **found)


def check_saved(saved: Any, cls: type, source: object) -> Dict[str, Any]:
    """The saved options that are fields of `cls`.

    Args:
        saved: what was read, from a file that anyone may have edited.
        source: the file, for the error.

    Raises:
        UserError: not a dictionary, or a value that its flag would not take; names the first.
    """
    if not isinstance(saved, Mapping):
        raise UserError(f"{source}: options by name are expected, not a {type(saved).__name__}")
    hints = get_type_hints(cls)
    found = {}
    for field in flags(cls):
        if field.name not in saved:
            continue
        value = saved[field.name]
        if not _fits(value, hints[field.name]):
            word = WORDS[plain_type(hints[field.name])]
            raise UserError(f"{source}: {field.name} is {_shown(value)}; {word} is expected")
        if not is_choice(field, value):
            words = ", ".join(map(str, field.metadata["choices"]))
            raise UserError(f"{source}: {field.name} is {_shown(value)}; it is one of {words}")
        found[field.name] = value
    return found


def plain_type(annotation: Any) -> Any:
    """Optional[int] -> int."""
    if get_origin(annotation) not in UNIONS:
        return annotation
    return next(a for a in get_args(annotation) if a is not type(None))


def _fits(value: Any, annotation: Any) -> bool:
    if value is None:
        return type(None) in get_args(annotation)
    kind = plain_type(annotation)
    return type(value) is kind or (kind is float and type(value) is int)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
