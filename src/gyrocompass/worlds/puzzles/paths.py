"""Shortest path: how many steps lead from one node of a directed graph to another."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .puzzle import Facts, Puzzle, Question, Thought, pairs

LENGTH, EDGE = range(2)


class Paths(Puzzle):
    """A graph with two edges out of each of n nodes, as facts (EDGE, x, 0 or 1, 0) -> y.

    The question (LENGTH, x, y, b) asks for the length of the shortest path from x to y within b steps; `far`, which is
    depths + 1, where there is none. H: one step more than the shorter of the ways from both neighbours. Depth: b.
    """

    name, asks = "paths", "the length of the shortest path between two nodes of a graph"
    width, moves = 4, 4

    def __init__(self, n: int = 6, depths: int = 4) -> None:
        self.n, self.depths, self.far = n, depths, depths + 1
        self.facts = 2 * n
        self.tokens = max(n, depths + 2)

    def draw_any(self, rng: random.Random) -> Facts:
        ends = {x: rng.sample([y for y in range(self.n) if y != x], 2) for x in range(self.n)}
        return {(EDGE, x, i, 0): ends[x][i] for x in range(self.n) for i in range(2)}

    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        return [(LENGTH, x, y, depth) for x, y in pairs(self.n)]

    def overseer(self, question: Question) -> Thought:
        _, x, y, most = question
        if x == y:
            return 0
        if most == 0:
            return self.far
        one = yield EDGE, x, 0, 0
        other = yield EDGE, x, 1, 0
        from_one = yield LENGTH, one, y, most - 1
        from_other = yield LENGTH, other, y, most - 1
        return min(self.far, 1 + min(from_one, from_other))

    def truth(self, facts: Facts, question: Question) -> int:
        _, x, y, most = question
        reached = {x}
        for length in range(most + 1):
            if y in reached:
                return length
            reached |= {facts[EDGE, z, i, 0] for z in reached for i in range(2)}
        return self.far

    def words(self, question: Question) -> str:
        kind, x, y, most = question
        if kind == EDGE:
            return f"where does edge {y} of {x} lead?"
        return f"how many steps from {x} to {y}, {most} at most?"
