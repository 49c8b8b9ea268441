"""What a typed target age means."""

from __future__ import annotations

from dataclasses import dataclass

from work.errors import UserError


@dataclass(frozen=True)
class Target:
    """One target age as it was typed: "70" is absolute, "+20" and "-15" are relative to the estimated age."""

    text: str

    def __post_init__(self) -> None:
        try:
            years = float(self.text)
        except ValueError:
            years = float("nan")
        low = -100 if self.relative else 0
        if not low <= years <= 100:
            raise UserError(f"--target_age {self.text}: 0 to 100 years are needed, or +20, -15")

    @property
    def relative(self) -> bool:
        return self.text[:1] in ("+", "-")

    def years(self, estimated: float) -> float:
        """The target in years, 0 to 100, for a face of an estimated age."""
        years = float(self.text)
        return min(max(estimated + years, 0.0), 100.0) if self.relative else years


def targets(text: str) -> list[Target]:
    """Target ages separated by commas.

    Raises:
        UserError: none, or one that is no number or out of range.
    """
    found = [Target(age.strip()) for age in str(text).split(",") if age.strip()]
    if not found:
        raise UserError("--target_age is empty; type years, e.g. 20,40,60, or +20")
    return found
