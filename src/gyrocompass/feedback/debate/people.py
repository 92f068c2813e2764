"""People who take part by file: what they are asked stands in it, and they write their replies into it.

The game goes on from there when the same command is run again; nothing that was said before is asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import write_jsonl
from .records import Belief, Question, Waiting
from .wording import View, Wording, prompt


@dataclass(frozen=True)
class PeopleSpeaker:
    """Turns that people write into `file`, JSONL: `id`, `asked`, and `reply`, which is null until it is written."""

    file: Path
    wording: Wording = field(default_factory=Wording)

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """Raises Waiting until every turn is there, InputError for more than one try a turn."""
        if n != 1:
            raise InputError(f"{self.file}: people are asked for one turn, not for the best of {n}; set best_of to 1")
        replies = _replies(self.file, {_key(view): prompt(view, self.wording)[-1].content for view in views}, str)
        return [[replies[_key(view)]] for view in views]

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
        asked = {_key(view): self._asked(view) for view in views}
        p = {key: _probability(reply) for key, reply in _replies(self.file, asked, lambda reply: reply).items()}
        return [Belief(p[_key(view)], p[_key(view)]) for view in views]

    def _asked(self, view: View) -> str:
        first = view.transcript.question.answers[0]
        return f"{prompt(view, self.wording)[-1].content}\n\nReply with how sure you are of {first!r}, 0 to 100."


def _probability(reply: Any) -> float | None:
    try:
        percent = float(str(reply).strip().rstrip("%"))
    except ValueError:
        return None
    return percent / 100 if 0 <= percent <= 100 else None


def _key(view: View) -> str:
    game = view.transcript
    return "/".join(
        (game.protocol, game.question.id, "AB"[game.opens], view.speaker or "verdict", str(len(game.turns)))
    )


def _replies(file: Path, asked: Mapping[str, str], read: Any) -> dict[str, Any]:
    """The replies to all that is asked. What isn't in the file yet is added to it."""
    rows = {row["id"]: row for row in _rows(file)}
    new = {key: {"id": key, "asked": text, "reply": None} for key, text in asked.items() if key not in rows}
    if new:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(file, [*rows.values(), *new.values()])
    open_ = [key for key in asked if {**rows, **new}[key].get("reply") is None]
    if open_:
        raise Waiting(
            f"{file}: {len(open_):,} of {len(asked):,} replies are waited for; write each in place of its null reply, "
            "then run the same command again"
        )
    return {key: read(rows[key]["reply"]) for key in asked}


def _rows(file: Path) -> Iterable[dict[str, Any]]:
    if not file.exists():
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}:{number}: not valid JSON ({error.msg}); mend the line, keep its id") from None
        if not isinstance(row, dict) or "id" not in row:
            raise InputError(f"{file}:{number}: a row without its id; restore the id, and change the reply alone")
        yield row
