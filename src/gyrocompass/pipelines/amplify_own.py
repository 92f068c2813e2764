"""One's own questions; where each comes with its answer, how many are answered rightly. Nobody learns these answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..feedback.amplify import Node
from ..feedback.steps import Answers
from ..maths import stats
from ..maths.stats import Estimate
from ..records import Example

Row = dict[str, Any]
ANSWERS = Answers()


def put_in(examples: Sequence[Example]) -> list[str]:
    """The last user turns, each once."""
    return list(dict.fromkeys(turn.content for e in examples for turn in e.prompt[-1:] if turn.role == "user"))


def references(examples: Sequence[Example]) -> dict[str, str]:
    """The final answer in the column `answer`, by question; none at all unless each question has one, and one alone."""
    told = {(q, ANSWERS.meant(_answer(e))) for e in examples for q in put_in([e])}
    known = dict(told)
    return known if len(known) == len(told) and all(known.values()) else {}


def _answer(example: Example) -> str:
    answer = example.meta.get("answer")
    return "" if answer is None else str(answer)


def answers_lacking(examples: Sequence[Example]) -> bool:
    """Whether some questions have answers, but not each has one, and one alone."""
    return any(map(_answer, examples)) and not references(examples)


def marked(known: Mapping[str, str]) -> Callable[[str, str], Row]:
    """Marks a reply to a question: its final answer, or all of it where none is marked, is to be the reference."""
    return lambda question, reply: {"reply": reply, "right": ANSWERS.meant(reply) == known[question]}


def amplified_rows(trees: Mapping[str, Sequence[Node]], known: Mapping[str, str]) -> list[Row]:
    """What was amplified, marked; idk is not right."""
    mark = marked(known)
    every = ((stage, tree) for stage, planted in trees.items() for tree in planted)
    return [{"model": stage, **mark(tree.question, tree.answer or "")} for stage, tree in every]


def shares(rows: Sequence[Row]) -> dict[str, Estimate]:
    """Right answers by model, with Wilson's interval over questions."""
    right: dict[str, list[bool]] = {}
    for row in rows:
        right.setdefault(row["model"], []).append(row["right"])
    return {model: stats.proportion(sum(hits), len(hits)) for model, hits in right.items()}
