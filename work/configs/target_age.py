"""Target ages as they are typed, absolute or relative."""

from __future__ import annotations

from dataclasses import dataclass

from work.errors import UserError


@dataclass(frozen=True)
class Target:
    """A target age: "70" is absolute, "+20" and "-15" are relative to the estimated age.

    Raises:
        UserError: it is no number, or out of range.
    """

    text: str
    flag: str = "--target_age"  # by which it was typed

    def __post_init__(self) -> None:
        try:
            years = float(self.text)
        except ValueError:
            years = float("nan")
        low = -100 if self.relative else 0
        if not low <= years <= 100:
            raise UserError(f"{self.flag} {self.text}: type 0 to 100 years, or +20, -15")

    @property
    def relative(self) -> bool:
        return self.text[:1] in ("+", "-")

    def years(self, estimated: float) -> float:
        """The target in years, 0 to 100, for a face whose estimated age is given."""
        years = float(self.text)
        return min(max(estimated + years, 0.0), 100.0) if self.relative else years


def targets(text: str) -> list[Target]:
    """Split target ages at commas.

    Raises:
        UserError: there is none, or one is no number or out of range.
    """
    found = [Target(age.strip()) for age in str(text).split(",") if age.strip()]
    if not found:
        raise UserError("--target_age is empty; type years, e.g. 20,40,60, or +20")
    return found
