"""Union find: the label of the component that an element belongs to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from .puzzle import Facts, Puzzle, Question, Thought

LABEL, OWN, LEFT, RIGHT = range(4)


class UnionFind(Puzzle):
    """n elements in `components` chains of equal elements; one of each chain bears a label, the same on none other.

    Facts: (OWN, x, 0) -> x's label, (LEFT, x, 0) and (RIGHT, x, 0) -> an equal element; `none` where there is none.
    The question (LABEL, x, r) asks for the label within r steps of x. H: x's own label, or that of a neighbour within
    r - 1 steps. Depth: r.
    """

    name, asks = "union", "the label of the component that an element belongs to"
    width, moves = 3, 5

    def __init__(self, n: int = 8, components: int = 2, depths: int = 4) -> None:
        self.n, self.components, self.depths = n, components, depths
        self.none = n
        self.facts = 3 * n
        self.tokens = max(n + 1, depths + 1, RIGHT + 1)

    def draw_any(self, rng: random.Random) -> Facts:
        order = rng.sample(range(self.n), self.n)
        cuts = [0, *sorted(rng.sample(range(1, self.n), self.components - 1)), self.n]
        facts = {}
        for label, (start, end) in enumerate(pairwise(cuts)):
            chain = [self.none, *order[start:end], self.none]
            labelled = rng.choice(order[start:end])
            for i in range(1, len(chain) - 1):
                x = chain[i]
                facts[LEFT, x, 0], facts[RIGHT, x, 0] = chain[i - 1], chain[i + 1]
                facts[OWN, x, 0] = label if x == labelled else self.none
        return dict(sorted(facts.items()))

    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        return [(LABEL, x, depth) for x in range(self.n)]

    def overseer(self, question: Question) -> Thought:
        _, x, steps = question
        own = yield OWN, x, 0
        if own != self.none or steps == 0:
            return own
        for side in (LEFT, RIGHT):
            neighbour = yield side, x, 0
            if neighbour != self.none:
                found = yield LABEL, neighbour, steps - 1
                if found != self.none:
                    return found
        return self.none

    def truth(self, facts: Facts, question: Question) -> int:
        _, x, steps = question
        for side in (LEFT, RIGHT):
            at = x
            for _ in range(steps + 1):
                if at == self.none:
                    break
                if facts[OWN, at, 0] != self.none:
                    return facts[OWN, at, 0]
                at = facts[side, at, 0]
        return self.none

    def words(self, question: Question) -> str:
        kind, x, steps = question
        if kind == LABEL:
            return f"which label lies within {steps} step{'s' * (steps != 1)} of {x}?"
        return ("", f"which label does {x} bear?", f"what is left of {x}?", f"what is right of {x}?")[kind]
