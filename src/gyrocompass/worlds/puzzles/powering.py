"""Permutation powering: where an element ends up when a permutation is applied k times."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .puzzle import Facts, Puzzle, Question, Thought


class Powering(Puzzle):
    """A permutation of n elements as facts (1, x) -> s(x). The question (k, x) asks for s^k(x), k up to 2^depths.

    H: the first half of the power, then the second half of what came out. Depth: log2 k, rounded up.
    """

    name, asks = "powering", "where an element ends up when a permutation is applied again and again"
    width, moves, pace = 2, 2, 2.25

    def __init__(self, n: int = 6, depths: int = 3) -> None:
        self.n, self.depths, self.facts = n, depths, n
        self.tokens = max(n, 2**depths + 1)

    def draw_any(self, rng: random.Random) -> Facts:
        return {(1, x): y for x, y in enumerate(rng.sample(range(self.n), self.n))}

    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        return [(k, x) for k in range(2 ** (depth - 1) + 1 if depth else 1, 2**depth + 1) for x in range(self.n)]

    def overseer(self, question: Question) -> Thought:
        k, x = question
        halfway = yield k // 2, x
        end = yield k - k // 2, halfway
        return end

    def truth(self, facts: Facts, question: Question) -> int:
        k, x = question
        for _ in range(k):
            x = facts[1, x]
        return x

    def words(self, question: Question) -> str:
        k, x = question
        return f"where does {x} end up after {k} step{'s' * (k > 1)}?"
