"""Amplify^H(X) with scripted helpers: facts are looked up, idk propagates, moves are limited."""

from __future__ import annotations

import random
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gyrocompass.learn.amplification import Batch, Overseer, Spelling, amplify, draw, look_up, silent
from gyrocompass.worlds.puzzles import PUZZLES, Powering, Puzzle, Wildcard


def spelling_of(puzzle: Puzzle) -> Spelling:
    return Spelling(puzzle.width, puzzle.tokens)


def overseer(puzzle: Puzzle, noise: float = 0.0) -> Overseer:
    return Overseer(puzzle.next_move, spelling_of(puzzle), noise, random.Random(0))


def true(puzzle: Puzzle, facts: Tensor, questions: Tensor) -> Tensor:
    cases = [{tuple(row[:-1]): row[-1] for row in one} for one in facts.tolist()]
    asked = [[tuple(one) for one in some] for some in questions.tolist()]
    return torch.tensor([[puzzle.truth(case, q) for q in some] for case, some in zip(cases, asked, strict=True)])


def some(puzzle: Puzzle, n: int = 15, seed: int = 0) -> Batch:
    return draw(puzzle, n, 4, [1.0] * (puzzle.depths + 1), random.Random(seed))


@pytest.mark.parametrize("name", sorted(PUZZLES))
@given(seed=st.integers(0, 10**6))
def test_with_a_helper_that_knows_all_the_overseer_is_right(name: str, seed: int) -> None:
    puzzle = PUZZLES[name]()
    batch, help = some(puzzle, 3, seed), partial(true, puzzle)
    found = amplify(batch.facts, batch.questions, overseer(puzzle), help, puzzle.moves, spelling_of(puzzle))
    assert torch.equal(found.answers, batch.truths)


def test_alone_the_overseer_reaches_what_facts_answer() -> None:
    puzzle = Powering()
    spelling, batch = spelling_of(puzzle), some(puzzle, 50)
    alone = amplify(batch.facts, batch.questions, overseer(puzzle), partial(silent, spelling), puzzle.moves, spelling)
    known = batch.depths <= 1
    assert torch.equal(alone.answers[known], batch.truths[known])
    assert (alone.answers[~known] == spelling.idk).all()


def test_facts_are_looked_up_and_nothing_else() -> None:
    facts = torch.tensor([[[1, 0, 7], [1, 1, 5]], [[1, 0, 3], [1, 1, 4]]])
    found = look_up(facts, torch.tensor([[[1, 1], [2, 0]], [[1, 0], [1, 1]]]), Spelling(2, 9))
    assert found.tolist() == [[5, Spelling(2, 9).unknown], [3, 4]]


def test_rows_keep_the_sub_questions_with_their_answers() -> None:
    puzzle = Powering()
    spelling = spelling_of(puzzle)
    facts = torch.tensor([[[1, 0, 1], [1, 1, 2], [1, 2, 3], [1, 3, 0]]])
    found = amplify(facts, torch.tensor([[[2, 0], [1, 3]]]), overseer(puzzle), partial(silent, spelling), 2, spelling)
    assert found.answers.tolist() == [[2, 0]]
    empty = [spelling.empty] * 3
    assert found.rows[0, 0].tolist() == [[2, 0, spelling.unknown], [1, 0, 1], [1, 1, 2]]
    assert found.rows[0, 1].tolist() == [[1, 3, spelling.unknown], empty, empty]


def test_one_who_only_asks_ends_in_idk() -> None:
    puzzle = Powering()
    spelling, batch = spelling_of(puzzle), some(Powering(), 2)

    def asks(rows: Tensor) -> Tensor:
        return torch.tensor([[1, 0, spelling.unknown]]).repeat(len(rows), 1)

    questions = torch.full_like(batch.questions, 3)
    found = amplify(batch.facts, questions, asks, partial(silent, spelling), 2, spelling)
    assert (found.answers == spelling.idk).all()


def test_every_move_of_the_overseer_is_counted_and_kept() -> None:
    puzzle, spelling = Powering(), spelling_of(Powering())
    counted = overseer(puzzle)
    batch = some(puzzle, 12)
    amplify(batch.facts, batch.questions, counted, partial(true, puzzle), 2, spelling)
    deeper = int((batch.depths > 0).sum())
    assert counted.calls == 3 * deeper
    rows, moves = counted.decisions()
    assert len(rows) == len(moves) == counted.calls
    answers = moves[moves[:, -1] < spelling.tokens]
    assert len(answers) == deeper
    assert (answers[:, :-1] == spelling.empty).all()


def test_a_noisy_overseer_errs_about_as_often_as_told() -> None:
    puzzle, spelling = Wildcard(), spelling_of(Wildcard())
    clean, noisy = overseer(puzzle), overseer(puzzle, noise=0.3)
    rows = torch.tensor([[[2, 2, 2, spelling.unknown], [spelling.empty] * 4, [spelling.empty] * 4]] * 500)
    differ = (clean(rows) != noisy(rows)).any(1).float().mean()
    assert abs(float(differ) - 0.3) < 0.08


def test_a_move_is_spelt_as_a_row_and_read_back() -> None:
    spelling = Spelling(2, 9)
    assert spelling.move_of((3, 4)) == [3, 4, spelling.unknown]
    assert spelling.move_of(8) == [spelling.empty, spelling.empty, 8]
    assert spelling.move_of(9) == [spelling.empty, spelling.empty, spelling.idk]
    assert spelling.read([[3, 4, spelling.unknown], [1, 4, 2], [spelling.empty] * 3]) == ((3, 4), [2])
