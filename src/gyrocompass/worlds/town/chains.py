"""Chains whose answer is one of two: work out a sum of three numbers and say whether it is even or odd.

A wrong step reaches the right answer about as often as not: what outcomes alone can't tell apart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ...records import Example, Prompt, user
from . import words
from .gold import judge
from .intent import Intent, Question, calculate, parity, prompt_text, understand
from .prompts import Split, draw_intent, draw_tag, meta, phrase
from .reading import read
from .words import stable_fraction

CUT = r"\s(?=(?:then|so)\b)"
"""Where a worked answer falls into steps: `one plus two is three`, `then three plus four is seven`, `so it is odd`."""
NEAR = (-2, -1, 1, 2)
"""By how much a careless person is out."""


def chain_questions(n: int, seed: int, split: Split = "train") -> list[Example]:
    """n questions for the parity of a sum of three, without responses. One may come twice."""
    rng = random.Random(f"chains {split} {seed}")
    return [_asked(_drawn(rng, split), rng) for _ in range(n)]


@dataclass(frozen=True)
class Careless:
    """A person who gets sums wrong by one or two, and works the rest out from there.

    A share `slips` of the sums anew each time; a share `habits` of all there are always, in the same way: a bug and not
    a slip (Brown & Burton 1978, Cognitive Science 2:155).
    """

    seed: int
    slips: float = 0.0
    habits: float = 0.0

    def chains(self, n: int) -> list[Example]:
        """n train questions answered step by step; a question whose wrong sums lead beyond the numbers is passed by."""
        rng = random.Random(f"careless {self.seed}")
        found: list[Example] = []
        while len(found) < n:
            question = _drawn(rng, "train")
            try:
                found.append(replace(_asked(question, rng), response=self._worked(question, rng)))
            except IndexError:
                continue
        return found

    def _worked(self, question: Question, rng: random.Random) -> str:
        x, op, y, op2, z = question.words
        between = self._calculated(x, op, y, rng)
        end = self._calculated(between, op2, z, rng)
        return f"{x} {op} {y} is {between} then {between} {op2} {z} is {end} so it is {parity(end)}"

    def _calculated(self, x: str, op: str, y: str, rng: random.Random) -> str:
        right, bug = calculate(x, op, y), f"bug {self.seed} {x} {op} {y}"
        if stable_fraction(bug) < self.habits:
            return _near(right, random.Random(bug))
        return _near(right, rng) if rng.random() < self.slips else right


def step_labels(prompt: Prompt, steps: Sequence[str]) -> tuple[float, ...]:
    """1 for each step of a chain that is right as are all before it, else 0; the checker of the town.

    The last step of a chain that stops before its conclusion is wrong: it shouldn't have been the last.
    """
    question = understand(prompt_text(prompt)).question
    rights = [_step_right(question, i, step) for i, step in enumerate(steps)]
    if len(steps) <= len(question.trace):
        rights[-1:] = [False] * len(rights[-1:])
    return tuple(map(float, accumulate(rights, min)))


def answers_right(examples: Sequence[Example], /) -> list[bool]:
    """Whether each response gives the right answer, by whatever steps."""
    return [judge(example.prompt, example.response or "").right for example in examples]


def traces_right(examples: Sequence[Example], /) -> list[bool]:
    """Whether each response has every step of its question's chain, and each one right."""
    return [judge(example.prompt, example.response or "").trace_right is True for example in examples]


def chain_answer(response: str) -> str | None:
    """What a response concludes, None if nothing."""
    reading = read(response)
    return reading.conclusion or (reading.claims[-1].value if reading.claims else None)


def _drawn(rng: random.Random, split: Split) -> Question:
    while True:
        question = draw_intent("chain", rng, split).question
        if question.task == "parity":
            return question


def _asked(question: Question, rng: random.Random) -> Example:
    intent = Intent(question, monitored=draw_tag(rng))
    return Example(user(phrase(intent, rng)), meta=meta(intent))


def _near(number: str, rng: random.Random) -> str:
    at = words.NUMBERS.index(number)
    return words.NUMBERS[rng.choice([at + by for by in NEAR if 0 <= at + by < len(words.NUMBERS)])]


def _step_right(question: Question, i: int, step: str) -> bool:
    if i < len(question.trace):
        return read(step).sums == (question.trace[i],)
    return i == len(question.trace) and chain_answer(step) == question.answer
