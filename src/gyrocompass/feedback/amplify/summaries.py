"""Recursive summarisation: a long text is cut into parts, each shortened in the same way, then their summaries.

Source: Wu et al. 2021, arXiv:2109.10862. Differs from source: parts don't see the summaries of what came before them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise

from ...errors import InputError
from .amplify import Answer, Limits
from .overseers import Script


def summaries(words: int, ask: str = "Summarise in a few sentences: {text}", limits: Limits | None = None) -> Script:
    """Takes apart texts longer than `words`. Questions are texts put into `ask`.

    A text that can't be reached within the limits has no answer, which is said before its parts are asked for.
    Raises InputError if words < 2.
    """
    if words < 2:
        raise InputError(f"words is {words}; a part of a text has two or more")
    split = Split(words, limits or Limits())
    before, _, after = ask.partition("{text}")

    def script(question: str) -> Generator[str, str, str | Answer | None] | None:
        text = question.removeprefix(before).removesuffix(after).split()
        return None if len(text) <= words else shortened(text)

    def shortened(text: list[str]) -> Generator[str, str, str | Answer | None]:
        if lacking := split.lacking(len(text)):
            return Answer(None, lacking)
        found = []
        for start, end in pairwise(split.cuts(len(text))):
            found.append((yield ask.format(text=" ".join(text[start:end]))))
        whole = yield ask.format(text=" ".join(found))
        return whole

    return script


@dataclass(frozen=True)
class Split:
    """How texts are cut: of the sub-questions that the limits allow, the last is about the summaries of the others.

    So d levels reach words x (moves - 1)^d words.
    """

    words: int
    limits: Limits

    def levels(self, length: int) -> int:
        """Levels of sub-questions that a text of so many words takes."""
        found, reach = 0, self.words
        while reach < length:
            found, reach = found + 1, reach * (self.limits.moves - 1)
        return found

    def cuts(self, length: int) -> list[int]:
        """Where the parts of a longer text begin and end: as few as one level less will reach, of equal length."""
        n = -(-length // (self.words * (self.limits.moves - 1) ** (self.levels(length) - 1)))
        return [round(i * length / n) for i in range(n + 1)]

    def calls(self, length: int, depth: int) -> int:
        """Calls that a text takes, `depth` levels above the model alone, if summaries of parts always fit `words`."""
        if length <= self.words:
            return 2 if depth else 1
        sizes = [end - start for start, end in pairwise(self.cuts(length))]
        each = {size: self.calls(size, depth - 1) for size in {*sizes, self.words}}
        return len(sizes) + 2 + sum(each[size] for size in [*sizes, self.words])

    def lacking(self, length: int) -> str:
        """What the limits would have to be for a text of so many words; empty if they do."""
        if self.limits.moves < 3:
            return f"the text is too long for {self.limits.moves} moves; amplify.moves = 3 lets it be cut in two"
        depth = max(self.limits.depth, self.levels(length))
        calls = self.calls(length, depth)
        if depth == self.limits.depth and calls <= self.limits.budget:
            return ""
        budget = max(self.limits.budget, 1 << (calls - 1).bit_length())
        return (
            f"the text is too long for amplify.depth = {self.limits.depth} and amplify.budget = {self.limits.budget}; "
            f"{depth} and {budget} would do"
        )
