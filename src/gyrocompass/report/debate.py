"""What `debate.json` holds: how often a judge is right in each game, and games to be read. `folder.read` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import FiniteFloat, NonNegativeInt

from .spectrum import Measured


@dataclass(frozen=True, kw_only=True)
class Bin(Measured):
    """Verdicts of like confidence: their mean confidence, and how many are right."""

    confidence: FiniteFloat


@dataclass(frozen=True)
class Game:
    """A game: how often the judge is right at the end, and in `course` before the first turns and after each group.

    `honest`, `dishonest`: with a consultant for the right answer, and for the wrong one.
    """

    name: str
    kind: str
    games: NonNegativeInt
    accuracy: Measured | None
    seeds: tuple[FiniteFloat, ...] = ()
    course: tuple[Measured | None, ...] = ()
    ece: Measured | None = None
    brier: Measured | None = None
    bins: tuple[Bin, ...] = ()
    honest: Measured | None = None
    dishonest: Measured | None = None
    quotes: Measured | None = None
    words: Measured | None = None
    longer_wins: Measured | None = None
    order_flips: Measured | None = None
    marks: Mapping[str, NonNegativeInt] | None = None


@dataclass(frozen=True, kw_only=True)
class Gain(Measured):
    """By how much the judge is more often right in one game than in another; `seeds` has each seed's."""

    better: str
    worse: str
    seeds: tuple[FiniteFloat, ...] = ()


@dataclass(frozen=True)
class Persuader:
    """A debater's log-strength before the judge, and how often the judge is right when it debates itself."""

    name: str
    rating: Measured | None
    accuracy: Measured | None


@dataclass(frozen=True)
class Reference:
    """What a paper reports: a judge's accuracy by game."""

    source: str
    arxiv: str
    accuracies: Mapping[str, FiniteFloat]


@dataclass(frozen=True)
class Piece:
    """A part of a turn: plain text, or a quote that stands in the passage or doesn't."""

    text: str
    verified: bool | None = None


@dataclass(frozen=True)
class Said:
    """A turn; `side` is the place of the answer that it argues for."""

    speaker: str
    side: int | None
    said: tuple[Piece, ...]
    thought: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """A game to be read: `groups` of turns spoken at once, and the belief in the first answer before and after each.

    Raises ValueError unless there is one belief more than groups.
    """

    game: str
    question: str
    answers: tuple[str, str]
    truth: int | None
    passage: str
    beliefs: tuple[FiniteFloat | None, ...]
    groups: tuple[tuple[Said, ...], ...]

    def __post_init__(self) -> None:
        if len(self.beliefs) != len(self.groups) + 1:
            raise ValueError(f"{len(self.beliefs)} beliefs about {len(self.groups)} groups of turns")


@dataclass(frozen=True)
class Debate:
    """Games before a judge on so many questions, for each of these seeds."""

    judge: str
    questions: NonNegativeInt
    seeds: tuple[NonNegativeInt, ...]
    games: tuple[Game, ...]
    gains: tuple[Gain, ...] = ()
    persuaders: tuple[Persuader, ...] = ()
    learnt: Mapping[str, Measured] | None = None
    references: tuple[Reference, ...] = ()
    shown: tuple[Shown, ...] = ()
