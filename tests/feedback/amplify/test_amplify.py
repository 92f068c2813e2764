from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.feedback.amplify import (
    Answer,
    Ask,
    Direct,
    Limits,
    Move,
    Node,
    Scripted,
    State,
    answer_by_amplification,
    notes,
    to_distil,
)
from gyrocompass.feedback.amplify.amplify import BUDGET, CYCLE, MOVES, NO_ANSWER, NO_SUBANSWER


class Adder:
    """Knows sums of two numbers alone, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, questions: Sequence[str], /) -> list[str]:
        self.asked += questions
        return [str(sum(map(int, q.split("+")))) if q.count("+") < 2 else "I don't know." for q in questions]


def halves(question: str):  # type: ignore[no-untyped-def]
    """H: the first half, the second half, then the two results."""
    terms = question.split("+")
    return None if len(terms) <= 2 else _halved(terms)


def _halved(terms: list[str]):  # type: ignore[no-untyped-def]
    at = len(terms) // 2
    first = yield "+".join(terms[:at])
    second = yield "+".join(terms[at:])
    return (yield f"{first}+{second}")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=16))
def test_a_helper_of_two_terms_sums_as_many_as_the_depth_lets_it(terms: list[int]) -> None:
    question = "+".join(map(str, terms))
    (tree,) = answer_by_amplification([question], Scripted(halves), Adder(), Limits(depth=5, budget=1000))
    assert tree.answer == str(sum(terms))
    assert tree.total_calls <= 8 * len(terms)


def test_the_helper_alone_and_the_levels_above_it() -> None:
    def answer(depth: int) -> str | None:
        return answer_by_amplification(["1+2+3+4"], Scripted(halves), Adder(), Limits(depth=depth))[0].answer

    assert [answer(depth) for depth in range(3)] == [None, "10", "10"]


def test_what_is_wanted_at_one_time_is_asked_together() -> None:
    seen: list[int] = []

    def count(states: Sequence[State]) -> list[Move]:
        seen.append(len(states))
        return Scripted(halves)(states)

    answer_by_amplification(["1+2+3+4"] * 5, count, Adder(), Limits(depth=1))
    assert seen == [5, 5, 5, 5]


def test_idk_propagates_to_the_top() -> None:
    (tree,) = answer_by_amplification(["1+2+3+4+5+6"], Scripted(halves), Adder(), Limits(depth=1))
    assert tree.answer is None
    assert tree.note == NO_SUBANSWER
    assert tree.children[0].note == NO_ANSWER
    assert to_distil([tree]) == []
    told = "1 of the questions and sub-questions without an answer: "
    assert notes([tree]) == [told + why for why in sorted([NO_SUBANSWER, NO_ANSWER])]


def always(move: Move):  # type: ignore[no-untyped-def]
    return lambda states: [move] * len(states)


def test_a_cyclic_sub_question_has_no_answer_and_costs_no_call() -> None:
    adder = Adder()
    (tree,) = answer_by_amplification(["1+1"], always(Ask("1 + 1".replace(" ", ""))), adder, Limits(depth=3))
    assert (tree.answer, tree.children[0].note, adder.asked) == (None, CYCLE, [])

    def in_turn(states: Sequence[State]) -> list[Move]:
        return [Ask("b" if state.question == "a" else "A") for state in states]

    (tree,) = answer_by_amplification(["a"], in_turn, adder, Limits(depth=9))
    assert [node.note for node in tree] == [NO_SUBANSWER, NO_SUBANSWER, CYCLE]


def test_a_decomposition_that_never_ends_meets_its_limits() -> None:
    def deeper(states: Sequence[State]) -> list[Move]:
        return [Ask(state.question + "+0") for state in states]

    (tree,) = answer_by_amplification(["1"], deeper, Adder(), Limits(depth=100, budget=7))
    assert tree.answer is None
    assert tree.total_calls == 7
    assert list(tree)[-1].note == BUDGET

    def wider(states: Sequence[State]) -> list[Move]:
        return [Ask(f"1+{len(state.asked)}") for state in states]

    (tree,) = answer_by_amplification(["2"], wider, Adder(), Limits(depth=1, moves=3, budget=100))
    assert (tree.answer, tree.note, len(tree.children)) == (None, MOVES, 3)


def test_what_was_answered_before_is_not_asked_again() -> None:
    adder = Adder()

    def twice(states: Sequence[State]) -> list[Move]:
        return [Ask("1+1") if len(s.asked) < 2 else Answer(s.asked[1][1]) for s in states]

    (tree,) = answer_by_amplification(["2"], twice, adder, Limits(depth=1))
    assert (tree.answer, adder.asked, tree.total_calls) == ("2", ["1+1"], 4)


def test_a_tree_survives_its_row() -> None:
    (tree,) = answer_by_amplification(["1+2+3"], Scripted(halves), Adder(), Limits(depth=2))
    assert Node.from_row(tree.row) == tree
    (example,) = to_distil([tree])
    assert (example.prompt[0].content, example.response) == ("1+2+3", "6")
    assert example.meta == {"calls": tree.total_calls, "depth": tree.depth}


def test_direct_hands_the_question_to_the_model() -> None:
    (tree,) = answer_by_amplification(["2+2"], always(Direct()), Adder(), Limits(depth=2))
    assert (tree.answer, tree.by, tree.total_calls) == ("4", "model", 2)


def test_limits_that_forbid_everything_are_an_error() -> None:
    with pytest.raises(ValueError, match="0 moves"):
        Limits(moves=0)
