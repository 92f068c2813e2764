"""Final answers: what a response comes to, and whether that is the reference's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...config.steps import ANSWER
from ...errors import InputError
from ...records import Example

DECORATION = str.maketrans("", "", "$,*`\"' ")


def final_answer(text: str, pattern: str = ANSWER) -> str | None:
    """What the last match of the pattern holds in its group, without currency signs, commas, case and a final stop."""
    found = re.findall(pattern, text)
    return bare(found[-1]) if found else None


def bare(answer: str) -> str:
    return answer.translate(DECORATION).rstrip(".").lower()


@dataclass(frozen=True)
class Answers:
    """Whether responses end with their question's reference, the column `answer` of an example.

    The reference may be a bare answer, or a worked one in which the pattern finds it.
    Raises InputError if the pattern isn't one with a single group.
    """

    pattern: str = ANSWER

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise InputError(f"answer pattern {self.pattern!r}: no regular expression ({error}); correct it") from None
        if groups != 1:
            raise InputError(f"answer pattern {self.pattern!r}: it has {groups} groups; put one around the answer")

    def of(self, example: Example) -> str | None:
        """The answer that a response gives, None if none is found."""
        return final_answer(example.response or "", self.pattern)

    def __call__(self, examples: Sequence[Example], /) -> list[bool]:
        """Whether each response's answer is its reference. Raises InputError for an example without a reference."""
        return [self.of(example) == self._reference(example) for example in examples]

    def _reference(self, example: Example) -> str:
        if "answer" not in example.meta:
            raise InputError("a question has no column 'answer' to check responses by; add it to the data")
        text = str(example.meta["answer"])
        return final_answer(text, self.pattern) or bare(text)
