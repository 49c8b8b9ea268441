"""What the options of all scripts are made of: dataclass fields that are flags."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any, Optional, Sequence, TypeVar

from work.errors import UserError


def option(
    default: Any,
    text: str,
    *,
    shown: Optional[str] = None,
    choices: Sequence[str] = (),
    expert: bool = False,
) -> Any:
    """A dataclass field that is a flag.

    Args:
        text: what --help says.
        shown: what it says about the default, where the value itself says too little.
        choices: the values that are taken; () takes all of the field's type.
        expert: few people need it: --help lists it last.
    """
    metadata = {"help": text, "shown": shown, "choices": tuple(choices), "expert": expert}
    return field(default=default, metadata=metadata)


def file_names(usage: str, text: str) -> Any:
    """A dataclass field for the file names of a command line; `usage` is how they are shown, e.g. "IN OUT"."""
    return field(default_factory=list, metadata={"usage": usage, "text": text})


@dataclass
class Options:
    """The base of all options.

    Attributes:
        typed: the names of those that the user typed; these beat saved ones.
    """

    typed: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def plain(self, of: Optional[type[Options]] = None) -> dict[str, Any]:
        """The value of every flag by its name; with `of`, a base class, of that one's flags alone."""
        return {f.name: getattr(self, f.name) for f in flags(of or type(self))}


AnyOptions = TypeVar("AnyOptions", bound=Options)


def flags(cls: type[Options]) -> list[Field]:
    """The fields that are flags."""
    return [f for f in fields(cls) if "help" in f.metadata]


def check_choices(options: Options) -> None:
    """Raise UserError for a value that is none of its flag's choices; None stands for a default."""
    for f in flags(type(options)):
        value = getattr(options, f.name)
        words = ", ".join(map(str, f.metadata["choices"]))
        require(is_choice(f, value), f"--{f.name} {value}: one of {words}")


def is_choice(flag: Field, value: Any) -> bool:
    """Whether a flag takes a value; any, if it has no choices."""
    return value is None or not flag.metadata["choices"] or value in flag.metadata["choices"]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)
