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
Help = Callable[[Int[Tensor, "C F S"], Int[Tensor, "C Q W"]], Int[Tensor, "C Q"]]
"""Answers to Q questions about each of C cases, `idk` where it doesn't know."""


class Amplified(NamedTuple):
    """Answers, (C, Q), and each question, then its sub-questions with their answers, as rows, (C, Q, moves + 1, S)."""

    answers: Int[Tensor, "C Q"]
    rows: Int[Tensor, "C Q R S"]


def amplify(
    facts: Int[Tensor, "C F S"],
    questions: Int[Tensor, "C Q W"],
    decide: Decide,
    help: Help,
    moves: int,
    spelling: Spelling,
) -> Amplified:
    """Amplify^H(X): answers by an overseer with a helper. A question that is a fact is looked up at once.

    Where a sub-question's answer is `idk`, so is the answer; also where `moves` sub-questions were not enough.
    Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575, sec. 2.
    """
    rows = facts.new_full((*questions.shape[:2], moves + 1, spelling.width + 1), spelling.empty)
    rows[:, :, 0] = spelling.asking(questions)
    answers = look_up(facts, questions, spelling)
    for at in range(1, moves + 2):
        live = answers == spelling.unknown
        if not live.any():
            break
        move = decide(rows[live])
        answers[live] = move[:, -1]
        asks = live & (answers == spelling.unknown)
        if at > moves:
            answers[asks] = spelling.idk
            break
        asked = questions.clone()
        asked[asks] = move[move[:, -1] == spelling.unknown, :-1]
        replies = look_up(facts, asked, spelling)
        if (asks & (replies == spelling.unknown)).any():
            replies = torch.where(replies == spelling.unknown, help(facts, asked), replies)
        rows[asks, at] = torch.cat([asked, replies[..., None]], -1)[asks]
        answers[asks & (replies == spelling.idk)] = spelling.idk
    return Amplified(answers, rows)


def look_up(facts: Int[Tensor, "C F S"], questions: Int[Tensor, "C Q W"], spelling: Spelling) -> Int[Tensor, "C Q"]:
    """The answers of questions that are facts, `unknown` for the others."""
    same: Bool[Tensor, "C Q F"] = (facts[:, None, :, :-1] == questions[:, :, None]).all(-1)
    found = facts[:, :, -1].gather(1, same.long().argmax(-1))
    return torch.where(same.any(-1), found, spelling.unknown)
