"""Final answers: what a response comes to, and whether that is the reference's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError
from ...records import Example

MARKED = re.compile(
    r"(?:####|\banswer\b[*_]*(?:\s+is\b|\s*[:=]|(?=\s*[$(\[+-]*\d)))[\s*_:]*(?=([^\n]*?)(?:\.?\s*$|\.\s))",
    re.IGNORECASE | re.MULTILINE,
)
"""GSM8K's mark, and plain words: `answer` with `is`, a colon or a number after it. It ends with its sentence."""
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
LATEX = ((r"\\[dt]frac\b", r"\\frac"), (r"\\(?:left|right)\b|\\[!$]", ""), (r"\\(?:text|mbox)\{([^{}]*)\}", r"\1"))
"""Ways to write that make no other answer. Source: Hendrycks et al. 2021, arXiv:2103.03874, the grader of MATH."""
AROUND = " \t\n*`\"'"
THOUSANDS = re.compile(r"(?<![\d,.(\[])(?<!\\\{)\d{1,3}(?:,\d{3})+(?![\d,])")


def final_answer(text: str, pattern: str | None = None) -> str | None:
    """What the pattern's group holds in its last match that isn't blank, `bare`; None if there is none.

    Without a pattern it is what the last `\\boxed{...}` holds, else what follows the last `####` or `answer`.
    """
    found = boxed(text) or MARKED.findall(text) if pattern is None else re.findall(pattern, text)
    return next((answer for answer in map(bare, reversed(found)) if answer), None)


def boxed(text: str) -> list[str]:
    """What stands in each `\\boxed{...}` that is closed and not blank, however many braces it holds."""
    ends = ((box.end(), _closed(text, box.end())) for box in BOX.finditer(text))
    return [text[start:end] for start, end in ends if end is not None and text[start:end].strip()]


def _closed(text: str, start: int) -> int | None:
    """Where the brace that was opened just before `start` is closed."""
    depth = 1
    for brace in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return brace.start()
    return None


def bare(answer: str) -> str:
    """Without LaTeX's variants, commas of thousands, currency signs, case, quotes and stars around it, a final stop,
    and spaces but those between words."""
    for written, meant in LATEX:
        answer = re.sub(written, meant, answer)
    answer = THOUSANDS.sub(lambda number: number[0].replace(",", ""), answer.replace("$", ""))
    answer = answer.lstrip(AROUND).rstrip(AROUND + ".")
    return re.sub(r"(?<!\w)\s+|\s+(?!\w)", "", re.sub(r"\s+", " ", answer)).lower()


@dataclass(frozen=True)
class Answers:
    """Whether responses end with their question's reference, the column `answer` of an example.

    The reference may be a bare answer, or a worked one in which the final answer is found as in a response.
    Raises InputError if the pattern isn't one with a single group.
    """

    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise InputError(f"answer pattern {self.pattern!r}: no regular expression ({error}); correct it") from None
        if groups != 1:
            raise InputError(f"answer pattern {self.pattern!r}: it has {groups} groups; put one around the answer")

    def of(self, example: Example) -> str | None:
        """The answer that a response gives, None if none is found."""
        return final_answer(example.response or "", self.pattern)

    def meant(self, text: str) -> str:
        """The final answer in a text, or all of it, `bare`, if none is found."""
        return final_answer(text, self.pattern) or bare(text)

    def __call__(self, examples: Sequence[Example], /) -> list[bool]:
        """Whether each response's answer is its reference. Raises InputError for an example without a reference."""
        return [self.of(example) == self._reference(example) for example in examples]

    def _reference(self, example: Example) -> str:
        if "answer" not in example.meta:
            raise InputError("a question has no column 'answer' to check responses by; add it to the data")
        return self.meant(str(example.meta["answer"]))
