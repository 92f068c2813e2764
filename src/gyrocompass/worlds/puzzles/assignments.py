"""Sequential assignments: the value of a variable that others define."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .puzzle import Facts, Puzzle, Question, Thought, pairs

VALUE, FIRST, SECOND, TABLE = range(4)


class Assignments(Puzzle):
    """Variables in order, the first `constants` known, every other f(y, z) of two before it; f is a table.

    Facts: (VALUE, x, 0) of constants, (FIRST, x, 0) and (SECOND, x, 0) of the others, (TABLE, a, b) -> f(a, b).
    The question (VALUE, x, 0) asks for x. H: both operands, their values, then the table. Depth: the height of x.
    """

    name, asks = "assignments", "the value of a variable that is defined by other variables"
    width, moves = 3, 5

    def __init__(self, variables: int = 7, values: int = 3, depths: int = 4) -> None:
        self.variables, self.values, self.depths = variables, values, depths
        self.constants = 2
        self.facts = self.constants + 2 * (variables - self.constants) + values**2
        self.tokens = max(variables, values, TABLE + 1)

    def draw_any(self, rng: random.Random) -> Facts:
        facts: dict[Question, int] = {(TABLE, a, b): rng.randrange(self.values) for a, b in pairs(self.values)}
        facts |= {(VALUE, x, 0): rng.randrange(self.values) for x in range(self.constants)}
        for x in range(self.constants, self.variables):
            facts[FIRST, x, 0], facts[SECOND, x, 0] = rng.sample(range(x), 2)
        return facts

    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        return [(VALUE, x, 0) for x in range(self.variables) if self._height(facts, x) == depth]

    def _height(self, facts: Facts, x: int) -> int:
        if x < self.constants:
            return 0
        return 1 + max(self._height(facts, facts[side, x, 0]) for side in (FIRST, SECOND))

    def overseer(self, question: Question) -> Thought:
        _, x, _ = question
        y = yield FIRST, x, 0
        z = yield SECOND, x, 0
        a = yield VALUE, y, 0
        b = yield VALUE, z, 0
        value = yield TABLE, a, b
        return value

    def truth(self, facts: Facts, question: Question) -> int:
        values: list[int] = []
        for x in range(question[1] + 1):
            known = facts.get((VALUE, x, 0))
            operands = () if known is not None else (values[facts[side, x, 0]] for side in (FIRST, SECOND))
            values.append(facts[TABLE, *operands] if known is None else known)
        return values[-1]

    def words(self, question: Question) -> str:
        kind, x, y = question
        if kind == TABLE:
            return f"what is f({x}, {y})?"
        return (f"what is v{x}?", f"what is the first variable in v{x}?", f"what is the second variable in v{x}?")[kind]
