"""The factors by which super-resolution shrinks its inputs."""

from __future__ import annotations

from work.errors import UserError

RESIZE_FACTORS = "1,2,4,8,16,32"


def parse_factors(text: str) -> list[int]:
    """The factors of "1,2,4".

    Raises:
        UserError: one is not a power of 2 up to 32.
    """
    words = [word.strip() for word in text.split(",")]
    if not set(words) <= set(RESIZE_FACTORS.split(",")):
        raise UserError(f"--resize_factors {text}: some of {RESIZE_FACTORS}")
    return [int(word) for word in words]
