"""What came of a question: who answered it, by which sub-questions, at how many calls. A tree, and JSON rows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import InputError
from ...records import Example, user

By = Literal["model", "overseer", "facts", "nobody"]
_IDK = re.compile(r"(?:(?:sorry,? )?i (?:do not|don.?t) know(?: that)?|idk)\W*", re.IGNORECASE)


def answer_in(reply: str) -> str | None:
    """A reply as an answer: None, which is idk, where it is empty or says that one doesn't know."""
    text = reply.strip()
    return None if not text or _IDK.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Node:
    """A question with its answer, None for idk, and the sub-questions that it came from.

    `calls` are those made for this node alone, of overseer or model; `note` says why there is no answer.
    """

    question: str
    answer: str | None
    by: By
    calls: int = 0
    note: str = ""
    children: tuple[Node, ...] = ()

    def __iter__(self) -> Iterator[Node]:
        """The node and all below it, a parent before its children."""
        yield self
        for child in self.children:
            yield from child

    @property
    def total_calls(self) -> int:
        return sum(node.calls for node in self)

    @property
    def depth(self) -> int:
        """Levels of sub-questions below it."""
        return 1 + max(child.depth for child in self.children) if self.children else 0

    @property
    def row(self) -> dict[str, Any]:
        """The tree as one JSON object; what is empty is left out. `from_row` reads it back."""
        rest = {"note": self.note, "children": [child.row for child in self.children]}
        own = {"question": self.question, "answer": self.answer, "by": self.by, "calls": self.calls}
        return own | {key: value for key, value in rest.items() if value}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Node:
        """Raises InputError if the row is no tree."""
        try:
            children = tuple(map(cls.from_row, row.get("children", ())))
            return cls(row["question"], row["answer"], row["by"], row["calls"], row.get("note", ""), children)
        except (KeyError, TypeError, AttributeError):
            raise InputError(f"a tree has question, answer, by and calls, not {sorted(row)}") from None


def to_distil(trees: Sequence[Node]) -> list[Example]:
    """Questions with their amplified answers, to fine-tune on; those that nobody could answer are left out."""
    return [
        Example(user(tree.question), tree.answer, meta={"calls": tree.total_calls, "depth": tree.depth})
        for tree in trees
        if tree.answer is not None
    ]


def notes(trees: Sequence[Node]) -> list[str]:
    """Why questions stayed without an answer, each reason with how often it was met, in all trees."""
    reasons: dict[str, int] = {}
    for node in (node for tree in trees for node in tree):
        if node.note:
            reasons[node.note] = reasons.get(node.note, 0) + 1
    return [f"{n:,} of the questions and sub-questions without an answer: {why}" for why, n in sorted(reasons.items())]
