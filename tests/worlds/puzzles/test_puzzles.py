"""The overseer, asked all the way down, tells the truth on every puzzle, and is never shown it."""

from __future__ import annotations

import random
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.worlds.puzzles import (
    PUZZLES,
    Assignments,
    Paths,
    Powering,
    Puzzle,
    UnionFind,
    Wildcard,
    solve,
    split_of,
)

EVERY = pytest.mark.parametrize("name", sorted(PUZZLES))


@EVERY
@given(seed=st.integers(0, 10**6))
def test_the_overseer_applied_to_itself_gives_the_true_answer(name: str, seed: int) -> None:
    puzzle = PUZZLES[name]()
    facts = puzzle.draw_any(random.Random(seed))
    for depth in range(puzzle.depths + 1):
        for question in puzzle.questions(facts, depth)[:20]:
            assert solve(puzzle, facts, question) == puzzle.truth(facts, question)


@EVERY
@given(seed=st.integers(0, 10**6))
def test_sub_questions_are_facts_or_less_deep(name: str, seed: int) -> None:
    puzzle = PUZZLES[name]()
    facts = puzzle.draw_any(random.Random(seed))
    depth_of = {q: d for d in range(puzzle.depths + 1) for q in puzzle.questions(facts, d)}
    for question, depth in list(depth_of.items())[::7]:
        for asked in _asked(puzzle, facts, question):
            assert asked in facts or depth_of[asked] < depth


def _asked(puzzle: Puzzle, facts: dict[tuple[int, ...], int], question: tuple[int, ...]) -> list[tuple[int, ...]]:
    asked: list[tuple[int, ...]] = []
    if question in facts:
        return asked
    while isinstance(move := puzzle.next_move(question, [solve(puzzle, facts, q) for q in asked]), tuple):
        asked.append(move)
    assert len(asked) <= puzzle.moves
    return asked


@EVERY
def test_tokens_and_facts_are_as_many_as_announced(name: str) -> None:
    puzzle, rng = PUZZLES[name](), random.Random(0)
    for facts in (puzzle.draw_any(rng) for _ in range(30)):
        every = [q for depth in range(puzzle.depths + 1) for q in puzzle.questions(facts, depth)]
        assert len(facts) == puzzle.facts
        assert {len(q) for q in (*facts, *every)} == {puzzle.width}
        assert max(max(q) for q in (*facts, *every)) < puzzle.tokens
        assert max((*facts.values(), *(puzzle.truth(facts, q) for q in every))) < puzzle.tokens
        assert all(puzzle.words(q).endswith("?") for q in (*facts, *every))


@EVERY
@given(seed=st.integers(0, 10**6))
def test_a_case_is_of_one_split_whatever_the_order_of_its_facts(name: str, seed: int) -> None:
    puzzle, rng = PUZZLES[name](), random.Random(seed)
    for split in ("train", "heldout"):
        facts = puzzle.draw(rng, split)
        assert split_of(facts) == split
        assert split_of(dict(sorted(facts.items(), reverse=True))) == split


def test_about_a_fifth_of_all_cases_is_held_out() -> None:
    rows = [{(1, x): y for x, y in enumerate(order)} for order in permutations(range(6))]
    functions = [dict(zip(product((0, 1), repeat=3), values, strict=True)) for values in product((0, 1), repeat=8)]
    shares = [sum(split_of(facts) == "heldout" for facts in cases) / len(cases) for cases in (rows, functions)]
    assert all(abs(share - 0.2) < 0.06 for share in shares)  # 2.4 standard deviations of 256


def test_a_puzzle_too_small_to_hold_a_case_out_says_so() -> None:
    with pytest.raises(InputError, match="no heldout case"):
        Powering(n=1).draw(random.Random(0), "heldout")


@pytest.mark.parametrize(
    ("puzzle", "facts", "question", "answer"),
    [
        (Powering(), {(1, 0): 1, (1, 1): 2, (1, 2): 0, (1, 3): 3}, (5, 0), 2),
        (Wildcard(), {(a, b, c): a for a in (0, 1) for b in (0, 1) for c in (0, 1)}, (2, 0, 2), 2),
        (
            Assignments(variables=3, values=2),
            {(3, 0, 0): 0, (3, 0, 1): 1, (3, 1, 0): 1, (3, 1, 1): 0, (0, 0, 0): 1, (0, 1, 0): 0, (1, 2, 0): 0,
             (2, 2, 0): 1},
            (0, 2, 0), 1,
        ),
        (Paths(n=3), {(1, 0, 0, 0): 1, (1, 0, 1, 0): 1, (1, 1, 0, 0): 2, (1, 1, 1, 0): 0, (1, 2, 0, 0): 0,
                      (1, 2, 1, 0): 1}, (0, 0, 2, 2), 2),
        (Paths(n=3), {(1, 0, 0, 0): 1, (1, 0, 1, 0): 1, (1, 1, 0, 0): 2, (1, 1, 1, 0): 0, (1, 2, 0, 0): 0,
                      (1, 2, 1, 0): 1}, (0, 0, 2, 1), 5),
        (
            UnionFind(n=2, components=1),
            {(1, 0, 0): 2, (1, 1, 0): 0, (2, 0, 0): 2, (2, 1, 0): 0, (3, 0, 0): 1, (3, 1, 0): 2}, (0, 0, 1), 0,
        ),
    ],
)  # fmt: skip
def test_answers_worked_out_by_hand(
    puzzle: Puzzle, facts: dict[tuple[int, ...], int], question: tuple[int, ...], answer: int
) -> None:
    assert puzzle.truth(facts, question) == answer
    assert solve(puzzle, facts, question) == answer


def test_the_overseer_moves_by_what_it_was_told() -> None:
    assert Powering().next_move((5, 0), []) == (2, 0)
    assert Powering().next_move((5, 0), [2]) == (3, 2)
    assert Powering().next_move((5, 0), [2, 1]) == 1
    assert Wildcard().next_move((2, 1, 0), [1, 1]) == 2


def test_an_answer_too_many_is_an_error() -> None:
    with pytest.raises(InputError, match="takes 2 answers, not 3"):
        Powering().next_move((5, 0), [2, 1, 0])
