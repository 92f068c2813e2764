"""Sums of many terms in the town's words, and an overseer who takes them apart into sums of fewer."""

from __future__ import annotations

import random
import re
from collections.abc import Generator

from .intent import calculate
from .phrasings import SLOT_PATTERNS
from .prompts import HELDOUT_FRACTION, Split
from .reading import read
from .words import NUMBERS, OPERATORS, stable_fraction

ASKED = "what is {}"
LARGEST = 5
"""Terms lie below this; every running total lies between zero and twenty."""
_SUM = re.compile(rf"what is (?P<rest>.+) (?P<op>{'|'.join(OPERATORS)}) (?P<last>{SLOT_PATTERNS['z']})")


def draw_sum_of(terms: int, split: Split, rng: random.Random) -> str:
    """A question for a sum of so many terms, of the train or of the held-out questions."""
    while True:
        words = [NUMBERS[rng.randrange(LARGEST)]]
        for _ in range(terms - 1):
            words += [rng.choice(OPERATORS), NUMBERS[rng.randrange(LARGEST)]]
        question = ASKED.format(" ".join(words))
        part: Split = "heldout" if stable_fraction(question) < HELDOUT_FRACTION else "train"
        if total(question) is not None and part == split:
            return question


def terms_of(question: str) -> int:
    """How many terms a question's sum has."""
    return sum(word in NUMBERS for word in question.split())


def total(question: str) -> str | None:
    """The right answer, None where a running total has no word."""
    first, *rest = question.removeprefix(ASKED.format("")).split()
    try:
        for op, term in zip(rest[::2], rest[1::2], strict=True):
            first = calculate(first, op, term)
    except IndexError:
        return None
    return first


def take_apart(question: str) -> Generator[str, str, str | None] | None:
    """H on sums: the sum of all terms but the last, then that and the last one. None for two terms or one."""
    found = _SUM.fullmatch(question)
    if found is None or terms_of(question) <= 2:
        return None
    return _two_steps(found["rest"], found["op"], found["last"])


def _two_steps(rest: str, op: str, last: str) -> Generator[str, str, str | None]:
    before = number_in((yield ASKED.format(rest)))
    return before and number_in((yield ASKED.format(f"{before} {op} {last}")))


def number_in(reply: str) -> str | None:
    """The number that a reply gives as its answer; None where it gives none, or several."""
    values = {claim.value for claim in read(reply).claims}
    return values.pop() if len(values) == 1 and values <= set(NUMBERS) else None
