"""How a response falls into steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import InputError


@dataclass(frozen=True)
class Cutting:
    """A response is cut where `at` matches, a regular expression; `joint` stands between steps that are joined again.

    Raises InputError if `at` is no regular expression, or has a group that captures: its text would be a step.
    """

    at: str = r"\n+"
    joint: str = "\n"

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.at).groups
        except re.error as error:
            raise InputError(f"cut {self.at!r}: no regular expression ({error}); correct it") from None
        if groups:
            raise InputError(f"cut {self.at!r}: it has a capturing group; write (?:...) for it")

    def __call__(self, response: str) -> tuple[str, ...]:
        """The steps, without outer whitespace and blank ones."""
        return tuple(step.strip() for step in re.split(self.at, response) if step.strip())

    def joined(self, steps: tuple[str, ...]) -> str:
        return self.joint.join(steps)


LINES = Cutting()
