"""Who takes questions apart: a model, people by file, or a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...protocols import Policy
from ...records import Prompt, user
from ..choice import with_space
from ..people import Form, Row, blank, replies
from .amplify import Answer, Ask, Direct, Move, State
from .tree import answer_in

ASKING = """You are to answer a question with the help of an assistant who answers simpler questions, one at a time.
The assistant sees nothing but the sub-question, so each must be complete in itself.

Question: {question}
{asked}
Reply with one line and nothing else:
ask: <the next sub-question>
or
answer: <the answer to the question>
If it can't be answered, reply `answer: I don't know`. If it needs no sub-questions, reply `direct`."""

UNREADABLE, NO_ROOM = "the overseer's reply can't be read", "the overseer has no room for the question"
_MOVE = re.compile(r"[\s>*_`#-]*(ask|answer|direct)\b[*_` ]*:?[*_ ]*(.*?)[`*_\s]*", re.IGNORECASE)


def read_move(reply: str) -> Move:
    """The first line that is a move; idk where none is, or where it says nothing."""
    for line in reply.splitlines():
        found = _MOVE.fullmatch(line)
        if found:
            kind, text = found[1].lower(), found[2].strip()
            if kind == "direct" and not text:
                return Direct()
            if kind == "ask" and text:
                return Ask(text)
            if kind == "answer" and text:
                return Answer(answer_in(text))
    return Answer(None, UNREADABLE)


@dataclass(frozen=True)
class PolicyOverseer:
    """A model that asks sub-questions and answers from their answers."""

    policy: Policy
    seed: int = 0

    def __call__(self, states: Sequence[State], /) -> list[Move]:
        replies = replies_of(self.policy, list(map(posed, states)), self.seed)
        return [Answer(None, NO_ROOM) if reply is None else read_move(reply) for reply in replies]


@dataclass(frozen=True)
class PolicyHelper:
    """A model that answers questions as they stand; one that leaves it no room gets an empty reply."""

    policy: Policy
    seed: int = 0

    def __call__(self, questions: Sequence[str], /) -> list[str]:
        return [reply or "" for reply in replies_of(self.policy, list(map(user, questions)), self.seed)]


def replies_of(policy: Policy, prompts: Sequence[Prompt], seed: int) -> list[str | None]:
    """A reply to each prompt, None where there is no room for one."""
    try:
        kept = with_space(policy, prompts)
    except InputError:
        kept = []
    drawn = policy.sample([prompts[i] for i in kept], seed=seed) if kept else []
    replies = {i: texts[0] for i, texts in zip(kept, drawn, strict=True)}
    return [replies.get(i) for i in range(len(prompts))]


def posed(state: State) -> Prompt:
    """What an overseer that reads language is shown."""
    asked = "".join(f"\nSub-question {i}: {q}\nAnswer: {a}" for i, (q, a) in enumerate(state.asked, 1))
    return user(ASKING.format(question=state.question, asked=f"\nSo far:{asked}\n" if asked else ""))


@dataclass(frozen=True)
class People:
    """People who write moves into a file: rows of `question`, `asked` and `move`, the last one theirs to fill in."""

    file: Path

    def __call__(self, states: Sequence[State], /) -> list[Move]:
        """Raises Waiting until every move is there, InputError for a row that is no such row or no move."""
        rows = {
            state: {"question": state.question, "asked": list(map(list, state.asked)), "move": ""} for state in states
        }
        moves = replies(self.file, rows, FORM, _state)
        return [read_move(str(moves[state])) for state in states]


FORM = Form(("question", "asked", "move"), "move", f"{__package__}:page.html")


def _state(row: Row) -> State:
    move = row["move"]
    if not blank(move) and read_move(str(move)) == Answer(None, UNREADABLE):
        raise InputError(f"{move!r} is no move; write `ask: ...`, `answer: ...` or `direct`")
    return State(row["question"], tuple((q, a) for q, a in row["asked"]))


Script = Callable[[str], Generator[str, str, str | Answer | None] | None]
"""Takes a question apart: yields sub-questions, is sent their answers, returns the answer; None if it needn't be."""


@dataclass(frozen=True)
class Scripted:
    """An overseer that follows a script."""

    script: Script

    def __call__(self, states: Sequence[State], /) -> list[Move]:
        return [self._move(state) for state in states]

    def _move(self, state: State) -> Move:
        thought = self.script(state.question)
        if thought is None:
            return Direct()
        try:
            asked = next(thought)
            for _, answer in state.asked:
                asked = thought.send(answer)
        except StopIteration as end:
            return end.value if isinstance(end.value, Answer) else Answer(end.value)
        return Ask(asked)
