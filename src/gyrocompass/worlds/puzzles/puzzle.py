"""What the five puzzles have in common: facts, questions about them, and an overseer who only takes questions apart."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from typing import Literal

from ...errors import InputError

Question = tuple[int, ...]
"""As many tokens as its puzzle's `width`."""
Facts = Mapping[Question, int]
"""What is given: questions whose answers can be looked up."""
Thought = Generator[Question, int, int]
"""An overseer at work: yields sub-questions, is sent their answers, returns its own answer."""

Split = Literal["train", "heldout"]
HELDOUT_FRACTION = 0.2
TRIES = 10_000
"""Cases drawn in search of one of a split, before it is taken to have none."""


def split_of(facts: Facts) -> Split:
    """The split a case belongs to, by a stable hash of its facts, whatever their order."""
    digest = hashlib.sha256(repr(sorted(facts.items())).encode()).digest()
    return "heldout" if int.from_bytes(digest[:8], "big") / 2**64 < HELDOUT_FRACTION else "train"


class Puzzle(ABC):
    """Questions about facts drawn anew, each with a depth: sub-questions lie at least one lower, facts at the bottom.

    Tokens of questions and answers are integers below `tokens`. Every case has `facts` facts, and the overseer asks
    `moves` sub-questions at most. Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575, sec. 4.
    """

    name: str
    asks: str
    """What a question asks, in words."""
    width: int
    tokens: int
    facts: int
    moves: int
    depths: int
    """The deepest question's depth; depths count from 0."""
    pace: float = 1
    """How many times as many steps a depth takes to learn as one of `wildcard`."""

    @abstractmethod
    def draw_any(self, rng: random.Random) -> Facts:
        """The facts of a new case, of whichever split."""

    def draw(self, rng: random.Random, split: Split) -> Facts:
        """The facts of a new case of a split. Raises InputError if the puzzle is too small to have one."""
        for _ in range(TRIES):
            facts = self.draw_any(rng)
            if split_of(facts) == split:
                return facts
        raise InputError(f"{self.name}: no {split} case among {TRIES:,}; make the puzzle larger")

    @abstractmethod
    def questions(self, facts: Facts, depth: int) -> Sequence[Question]:
        """Every question of this depth; none where the facts don't reach it."""

    @abstractmethod
    def overseer(self, question: Question) -> Thought:
        """H: takes apart a question that is no fact. It is shown no facts but those it asks for, and no answer."""

    def next_move(self, question: Question, answers: Sequence[int]) -> Question | int:
        """H's next move, given the answers to what it asked so far: a sub-question, or its own answer.

        Raises InputError if there are more answers than sub-questions.
        """
        thought, used = self.overseer(question), 0
        try:
            move = next(thought)
            for answer in answers:
                used += 1
                move = thought.send(answer)
        except StopIteration as end:
            if used < len(answers):
                raise InputError(f"{self.name}: {question} takes {used} answers, not {len(answers)}") from None
            return int(end.value)
        return move

    @abstractmethod
    def truth(self, facts: Facts, question: Question) -> int:
        """The right answer, found without taking the question apart: for measuring, and for the supervised control."""

    @abstractmethod
    def words(self, question: Question) -> str:
        """The question as a person would write it."""


def solve(puzzle: Puzzle, facts: Facts, question: Question) -> int:
    """The answer of the overseer all the way down: every sub-question is asked of another overseer (HCH)."""
    if question in facts:
        return facts[question]
    thought = puzzle.overseer(question)
    answer: int | None = None
    try:
        while True:
            asked = next(thought) if answer is None else thought.send(answer)
            answer = solve(puzzle, facts, asked)
    except StopIteration as end:
        return int(end.value)


def pairs(n: int) -> list[tuple[int, int]]:
    """Every ordered pair of numbers below n."""
    return [(x, y) for x in range(n) for y in range(n)]
