"""Chains whose answer is one of two: work out a sum of three numbers and say whether it is even or odd.

A wrong step reaches the right answer about as often as not: what outcomes alone can't tell apart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from ...records import Example, Prompt, user
from . import words
from .gold import judge
from .intent import Intent, Question, calculate, parity, prompt_text, understand
from .prompts import Split, draw_intent, draw_tag, meta, phrase
from .reading import read

CUT = r"\s(?=(?:then|so)\b)"
"""Where a worked answer falls into steps: `one plus two is three`, `then three plus four is seven`, `so it is odd`."""
NEAR = (-2, -1, 1, 2)
"""By how much a careless person is out."""


def chain_questions(n: int, seed: int, split: Split = "train") -> list[Example]:
    """n questions for the parity of a sum of three, without responses. One may come twice."""
    rng = random.Random(f"chains {split} {seed}")
    return [_asked(_drawn(rng, split), rng) for _ in range(n)]


def careless_chains(n: int, seed: int, slips: float) -> list[Example]:
    """n train questions answered step by step; each sum is out by one or two with probability `slips`, and the rest
    is worked out from there."""
    rng = random.Random(f"careless {seed}")
    found = []
    for _ in range(n):
        question = _drawn(rng, "train")
        found.append(replace(_asked(question, rng), response=_worked(question, rng, slips)))
    return found


def step_labels(prompt: Prompt, steps: Sequence[str]) -> tuple[float, ...]:
    """1 for each step of a chain that is right as are all before it, else 0; the checker of the town."""
    question = understand(prompt_text(prompt)).question
    return tuple(accumulate((float(_step_right(question, i, step)) for i, step in enumerate(steps)), min))


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


def _worked(question: Question, rng: random.Random, slips: float) -> str:
    x, op, y, op2, z = question.words
    between = _perhaps_slipped(calculate(x, op, y), rng, slips)
    while not _computable(between, op2, z):
        between = _perhaps_slipped(calculate(x, op, y), rng, slips)
    end = _perhaps_slipped(calculate(between, op2, z), rng, slips)
    return f"{x} {op} {y} is {between} then {between} {op2} {z} is {end} so it is {parity(end)}"


def _perhaps_slipped(number: str, rng: random.Random, slips: float) -> str:
    if rng.random() >= slips:
        return number
    at = words.NUMBERS.index(number)
    return words.NUMBERS[rng.choice([at + by for by in NEAR if 0 <= at + by < len(words.NUMBERS)])]


def _computable(x: str, op: str, y: str) -> bool:
    try:
        calculate(x, op, y)
    except IndexError:
        return False
    return True


def _step_right(question: Question, i: int, step: str) -> bool:
    if i < len(question.trace):
        return read(step).sums == (question.trace[i],)
    return i == len(question.trace) and chain_answer(step) == question.answer
