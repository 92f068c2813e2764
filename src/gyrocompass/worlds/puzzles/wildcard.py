"""Wildcard sum: the sum of a function over all bit strings that match a pattern."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

from .puzzle import Facts, Puzzle, Question, Thought

ANY = 2


class Wildcard(Puzzle):
    """A function from strings of `bits` bits to 0 or 1 as facts. A question is a pattern with wildcards.

    H: the pattern with its first wildcard as 0, then as 1, and the sum of both. Depth: the number of wildcards.
    """

    name, asks = "wildcard", "the sum of a function over all strings that match a pattern"
    moves = 2

    def __init__(self, bits: int = 3) -> None:
        self.width = self.depths = bits
        self.facts = 2**bits
        self.tokens = max(2**bits + 1, ANY + 1)
        patterns = list(product((0, 1, ANY), repeat=bits))
        self.by_depth = [[p for p in patterns if p.count(ANY) == depth] for depth in range(bits + 1)]

    def draw_any(self, rng: random.Random) -> Facts:
        return {string: rng.randrange(2) for string in product((0, 1), repeat=self.width)}

    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        return self.by_depth[depth]

    def overseer(self, question: Question) -> Thought:
        at = question.index(ANY)
        zeros = yield (*question[:at], 0, *question[at + 1 :])
        ones = yield (*question[:at], 1, *question[at + 1 :])
        return zeros + ones

    def truth(self, facts: Facts, question: Question) -> int:
        matching = product(*((0, 1) if token == ANY else (token,) for token in question))
        return sum(facts[string] for string in matching)

    def words(self, question: Question) -> str:
        return f"what do the values of {''.join('01*'[token] for token in question)} add up to?"
