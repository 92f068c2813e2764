"""Amplify: an overseer answers questions by asking sub-questions, answered from facts or by a helper."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .reader import Spelling

Decide = Callable[[Int[Tensor, "B R S"]], Int[Tensor, "B S"]]
"""An overseer's next moves, from questions and the sub-questions answered so far: a sub-question as a row whose answer
is wanted, or a row whose last slot is its own answer."""
Help = Callable[[Int[Tensor, "B F S"], Int[Tensor, "B W"]], Int[Tensor, "B"]]
"""Answers to questions about these facts, `idk` where it doesn't know."""


class Amplified(NamedTuple):
    """Answers, (B,), and the question, then each sub-question with its answer, as rows, (B, moves + 1, S)."""

    answers: Int[Tensor, "B"]
    rows: Int[Tensor, "B R S"]


def amplify(
    facts: Int[Tensor, "B F S"],
    questions: Int[Tensor, "B W"],
    decide: Decide,
    help: Help,
    moves: int,
    spelling: Spelling,
) -> Amplified:
    """Amplify^H(X): answers by an overseer with a helper. A question that is a fact is looked up at once.

    Where a sub-question's answer is `idk`, so is the answer; also where `moves` sub-questions were not enough.
    Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575, sec. 2.
    """
    rows = facts.new_full((len(questions), moves + 1, spelling.width + 1), spelling.empty)
    rows[:, 0] = spelling.asking(questions)
    answers = look_up(facts, questions, spelling)
    for at in range(1, moves + 2):
        live = (answers == spelling.unknown).nonzero()[:, 0]
        if not len(live):
            break
        move = decide(rows[live])
        answers[live] = move[:, -1]
        asks = move[:, -1] == spelling.unknown
        live, asked = live[asks], move[asks, :-1]
        if at > moves:
            answers[live] = spelling.idk
            break
        replies = _replies(facts[live], asked, help, spelling)
        rows[live, at] = torch.cat([asked, replies[:, None]], 1)
        answers[live[replies == spelling.idk]] = spelling.idk
    return Amplified(answers, rows)


def look_up(facts: Int[Tensor, "B F S"], questions: Int[Tensor, "B W"], spelling: Spelling) -> Int[Tensor, "B"]:
    """The answers of questions that are facts, `unknown` for the others."""
    same: Bool[Tensor, "B F"] = (facts[:, :, :-1] == questions[:, None]).all(2)
    found = facts[:, :, -1].gather(1, same.long().argmax(1, keepdim=True))[:, 0]
    return torch.where(same.any(1), found, spelling.unknown)


def _replies(
    facts: Int[Tensor, "B F S"], questions: Int[Tensor, "B W"], help: Help, spelling: Spelling
) -> Int[Tensor, "B"]:
    replies = look_up(facts, questions, spelling)
    others = (replies == spelling.unknown).nonzero()[:, 0]
    if len(others):
        replies[others] = help(facts[others], questions[others])
    return replies
