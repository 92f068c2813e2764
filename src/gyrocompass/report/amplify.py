"""What `amplify.json` holds: accuracy by depth under iterated amplification and its controls, and trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import NonNegativeInt, PositiveInt

from .spectrum import Measured


@dataclass(frozen=True, kw_only=True)
class StepPoint(Measured):
    """The share of right answers after a step."""

    step: NonNegativeInt


@dataclass(frozen=True)
class Course:
    """Accuracy at a depth, along training."""

    depth: NonNegativeInt
    points: tuple[StepPoint, ...]


@dataclass(frozen=True)
class Method:
    """A method on a puzzle: `lead` is that of iterated amplification over it, `calls` those of the overseer."""

    method: str
    courses: tuple[Course, ...]
    lead: Measured | None = None
    calls: Measured | None = None


@dataclass(frozen=True)
class Tree:
    """A question with its answer, None where there is none, and the sub-questions below it; see `feedback.amplify`."""

    question: str
    answer: str | None
    by: str
    calls: NonNegativeInt = 0
    note: str = ""
    children: tuple[Tree, ...] = ()

    def __iter__(self) -> Iterator[Tree]:
        yield self
        for child in self.children:
            yield from child


@dataclass(frozen=True)
class Puzzle:
    """A puzzle; `reach` is the depth up to which its overseer needs no help."""

    name: str
    asks: str
    reach: int
    methods: tuple[Method, ...]
    trees: tuple[Tree, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sum(Measured):
    """A model's share of right answers to sums of so many terms."""

    model: str
    terms: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Share(Measured):
    """A model's share of right answers to one's own questions; of a stage that amplified, its trees'."""

    model: str


@dataclass(frozen=True)
class Round:
    """What was amplified in a stage: questions, those left without an answer, calls of overseer and model, depth."""

    stage: str
    questions: NonNegativeInt
    idk: NonNegativeInt
    calls: NonNegativeInt
    depth: NonNegativeInt


@dataclass(frozen=True)
class Amplify:
    """A run of iterated amplification."""

    seeds: PositiveInt
    puzzles: tuple[Puzzle, ...] = ()
    sums: tuple[Sum, ...] = ()
    own: tuple[Share, ...] = ()
    rounds: tuple[Round, ...] = ()
    trees: tuple[Tree, ...] = ()
