"""All that was asked of overseer and model, kept as it is answered: a killed run asks nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...files import read_jsonl, write_jsonl
from .amplify import Answer, Ask, Direct, Helper, Move, Overseer, State

KINDS: dict[str, type[Ask] | type[Answer] | type[Direct]] = {"ask": Ask, "answer": Answer, "direct": Direct}
T = TypeVar("T")

BLOCK = 256
"""Calls between two writes: what a kill may cost."""


@dataclass
class Asked:
    """Overseer and model behind a file: what stands there isn't asked again. `new` counts the calls made."""

    file: Path
    overseer: Overseer
    helper: Helper
    new: int = 0
    moves: dict[State, Move] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = read_jsonl(self.file) if self.file.exists() else []
        if self.file.exists():
            write_jsonl(self.file, rows)  # a kill may have left a line torn, behind which nothing can be added
        for row in rows:
            if "reply" in row:
                self.replies[row["question"]] = row["reply"]
            else:
                state = State(row["question"], tuple((q, a) for q, a in row["asked"]))
                self.moves[state] = KINDS[row["kind"]](*row["move"])

    def decide(self, states: Sequence[State], /) -> list[Move]:
        """The overseer's moves."""
        for block in self._blocks([state for state in dict.fromkeys(states) if state not in self.moves]):
            found = dict(zip(block, self.overseer(block), strict=True))
            self.moves |= found
            self._keep(
                {"question": s.question, "asked": s.asked, "kind": type(m).__name__.lower(), "move": list(m)}
                for s, m in found.items()
            )
        return [self.moves[state] for state in states]

    def help(self, questions: Sequence[str], /) -> list[str]:
        """The model's replies."""
        for block in self._blocks([question for question in dict.fromkeys(questions) if question not in self.replies]):
            found = dict(zip(block, self.helper(block), strict=True))
            self.replies |= found
            self._keep({"question": question, "reply": reply} for question, reply in found.items())
        return [self.replies[question] for question in questions]

    def _blocks(self, wanted: Sequence[T]) -> Iterator[Sequence[T]]:
        self.new += len(wanted)
        for start in range(0, len(wanted), BLOCK):
            yield wanted[start : start + BLOCK]

    def _keep(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
