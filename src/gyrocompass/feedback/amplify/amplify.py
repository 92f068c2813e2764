"""Answers by amplification: an overseer asks sub-questions, which are answered the same way, down to a model alone.

Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575, sec. 2. Differs from source: in language; H is itself a
model, a person or a script.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from .tree import Node, answer_in


class Ask(NamedTuple):
    """A sub-question, complete in itself: whoever answers it sees nothing else."""

    question: str


class Answer(NamedTuple):
    """The overseer's answer, None for idk; `note` says why."""

    text: str | None
    note: str = ""


class Direct(NamedTuple):
    """The question needs no taking apart: the model answers it."""


Move = Ask | Answer | Direct


class State(NamedTuple):
    """A question, and the sub-questions asked so far with their answers: all that an overseer sees."""

    question: str
    asked: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Overseer(Protocol):
    """H: its next move in each state, (len(states),)."""

    def __call__(self, states: Sequence[State], /) -> list[Move]: ...


@runtime_checkable
class Helper(Protocol):
    """X: a reply to each question."""

    def __call__(self, questions: Sequence[str], /) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What keeps a decomposition from going on for ever: levels, sub-questions of one question, calls for a whole tree.

    Raises ValueError for a negative depth, or no moves or calls at all.
    """

    depth: int = 2
    moves: int = 8
    budget: int = 32

    def __post_init__(self) -> None:
        if self.depth < 0 or self.moves < 1 or self.budget < 1:
            raise ValueError(f"limits of depth {self.depth}, {self.moves} moves and {self.budget} calls")


@dataclass
class _Purse:
    """Calls left for a tree."""

    left: int

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0


Thinking = Generator[State | str, Move | str, Node]
"""A tree in the making: yields a state for the overseer or a question for the model, is sent a move or a reply."""

BUDGET, MOVES = "all calls of amplify.budget are spent", "more sub-questions than amplify.moves"
CYCLE = "it asks what is being asked"
NO_ANSWER, NO_SUBANSWER = "the model gives no answer", "a sub-question has no answer"


def answer_by_amplification(
    questions: Sequence[str], overseer: Overseer, helper: Helper, limits: Limits | None = None
) -> list[Node]:
    """A tree for each question; what is wanted of overseer and model at one time is asked of them together.

    At depth 0 the model answers alone. idk propagates: a question one of whose sub-questions has no answer has none.
    A sub-question that is being asked further up has none either; one that was answered before isn't asked again.
    """
    limits = limits or Limits()
    thoughts = [_think(q, limits.depth, frozenset(), limits, _Purse(limits.budget)) for q in questions]
    trees: dict[int, Node] = {}
    waiting: dict[int, State | str] = {}
    _advance(thoughts, dict.fromkeys(range(len(thoughts))), waiting, trees)
    while waiting:
        asked = {i: wanted for i, wanted in waiting.items() if isinstance(wanted, str)}
        posed = {i: wanted for i, wanted in waiting.items() if isinstance(wanted, State)}
        replies: dict[int, Move | str | None] = {}
        replies |= zip(asked, helper(list(asked.values())) if asked else [], strict=True)
        replies |= zip(posed, overseer(list(posed.values())) if posed else [], strict=True)
        waiting = {}
        _advance(thoughts, replies, waiting, trees)
    return [trees[i] for i in range(len(questions))]


def _advance(
    thoughts: Sequence[Thinking],
    replies: Mapping[int, Move | str | None],
    waiting: dict[int, State | str],
    trees: dict[int, Node],
) -> None:
    """Sends each thought what it waits for, and notes what it wants next, or what it came to."""
    for i, reply in replies.items():
        try:
            waiting[i] = next(thoughts[i]) if reply is None else thoughts[i].send(reply)
        except StopIteration as end:
            trees[i] = end.value


def _think(question: str, depth: int, above: frozenset[str], limits: Limits, purse: _Purse) -> Thinking:
    """The tree of a question; `above` are the questions that it is asked for."""
    if depth == 0:
        return (yield from _alone(question, purse, 0))
    work = _Work(question)
    while purse.spend():
        move = yield work.state
        work.calls += 1
        if isinstance(move, Direct):
            return (yield from _alone(question, purse, work.calls))
        if isinstance(move, Answer):
            return work.answered(move)
        assert isinstance(move, Ask)
        if len(work.children) == limits.moves:
            return work.idk(MOVES)
        known = work.known(move.question)
        if _same(move.question) in above | {_same(question)}:
            known = Node(move.question, None, "nobody", note=CYCLE)
        elif known is None:
            known = yield from _think(move.question, depth - 1, above | {_same(question)}, limits, purse)
        work.children.append(known)
        if known.answer is None:
            return work.idk(NO_SUBANSWER)
    return work.idk(BUDGET)


def _alone(question: str, purse: _Purse, calls: int) -> Thinking:
    """The model's own answer."""
    if not purse.spend():
        return Node(question, None, "nobody", calls, BUDGET)
    reply = yield question
    answer = answer_in(str(reply))
    return Node(question, answer, "model", calls + 1, "" if answer else NO_ANSWER)


@dataclass
class _Work:
    """A question being taken apart."""

    question: str
    children: list[Node] = field(default_factory=list)
    calls: int = 0

    @property
    def state(self) -> State:
        return State(self.question, tuple((child.question, str(child.answer)) for child in self.children))

    def known(self, question: str) -> Node | None:
        """The sub-question as it was answered before: at no call."""
        found = [child for child in self.children if _same(child.question) == _same(question)]
        return Node(question, found[0].answer, "nobody", note="") if found else None

    def answered(self, move: Answer) -> Node:
        note = "" if move.text is not None else move.note or "the overseer doesn't know"
        return Node(self.question, move.text, "overseer", self.calls, note, tuple(self.children))

    def idk(self, note: str) -> Node:
        return Node(self.question, None, "overseer", self.calls, note, tuple(self.children))


def _same(question: str) -> str:
    """What two wordings of a question share: words without case and spacing."""
    return " ".join(question.lower().split())
