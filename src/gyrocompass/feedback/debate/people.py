"""People who debate or judge: what they are asked stands in a file with a page beside it, and so do their replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..people import Form, Row, replies
from .quotes import TAGGED, pieces
from .records import Belief, Question
from .wording import View, Wording, named_turns, prompt

FORM = Form(("id", "asked", "reply"), "reply", f"{__package__}:page.html")


@dataclass(frozen=True)
class PeopleSpeaker:
    """Turns that people write into `file`, JSONL: `id`, `asked`, and `reply`, which is null until it is written."""

    file: Path
    wording: Wording = field(default_factory=Wording)

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """Raises Waiting until every turn is there, InputError for more than one try a turn."""
        if n != 1:
            raise InputError(f"{self.file}: people are asked for one turn, not for the best of {n}; set best_of to 1")
        rows = {_id(view): _row(view, self.wording, prompt(view, self.wording)[-1].content) for view in views}
        said = replies(self.file, rows, FORM, _id_of)
        return [[str(said[_id(view)])] for view in views]

    def choose(self, questions: Sequence[Question]) -> list[int]:
        """Raises InputError: whoever may choose an answer is asked for it beforehand."""
        raise InputError(f"{self.file}: people can't be A in an open protocol; let a model choose, or assign sides")


@dataclass(frozen=True)
class PeopleJudge:
    """Verdicts that people write into `file`: the probability in percent that the first answer is right, 0 to 100.

    A reply that is no such number is an abstention. People are asked in one order alone.
    """

    file: Path
    wording: Wording = field(default_factory=Wording)

    def __call__(self, views: Sequence[View]) -> list[Belief]:
        """Raises Waiting until every verdict is there."""
        rows = {_id(view): _row(view, self.wording, self._asked(view)) for view in views}
        p = {key: _probability(reply) for key, reply in replies(self.file, rows, FORM, _id_of).items()}
        return [Belief(p[_id(view)], p[_id(view)]) for view in views]

    def _asked(self, view: View) -> str:
        first = view.transcript.question.answers[0]
        return f"{prompt(view, self.wording)[-1].content}\n\nReply with how sure you are of {first!r}, 0 to 100."


def _probability(reply: Any) -> float | None:
    try:
        percent = float(str(reply).strip().rstrip("%"))
    except ValueError:
        return None
    return percent / 100 if 0 <= percent <= 100 else None


def _id(view: View) -> str:
    game = view.transcript
    return "/".join(
        (game.protocol, game.question.id, "AB"[game.opens], view.speaker or "verdict", str(len(game.turns)))
    )


def _id_of(row: Row) -> str:
    return str(row["id"])


def _row(view: View, wording: Wording, asked: str) -> Row:
    """The row to fill in. What the page shows of the game is what `asked` tells, in parts."""
    question, protocol = view.transcript.question, view.protocol
    reads = view.side is not None or view.speaker == "reader" or protocol.reads == "passage"
    shown = {
        "speaker": view.speaker,
        "side": view.side,
        "question": question.text,
        "answers": list(question.answers),
        "names": list(wording.names(question.answers)),
        "situation": wording.situations[protocol.kind],
        "passage": question.passage if reads else "",
        "words": protocol.words,
        "private": protocol.private,
        "checked": protocol.quotes == "checked" and wording.quote == TAGGED,
        "turns": [
            {"name": name, "side": turn.side, "said": pieces(turn.text, turn.quotes)}
            for name, turn in named_turns(view, wording)
        ],
    }
    return {"id": _id(view), "asked": asked, "reply": None, "shown": shown}
