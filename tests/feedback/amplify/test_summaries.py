from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.feedback.amplify import Limits, Node, Scripted, answer_by_amplification, summaries
from gyrocompass.feedback.amplify.summaries import Split


def first_words(questions: Sequence[str]) -> list[str]:
    """A summary: the first word of the text."""
    return [q.removeprefix("sum: ").split()[0] for q in questions]


def test_long_texts_are_summarised_part_by_part() -> None:
    text = " ".join(f"w{i}" for i in range(10))
    overseer = Scripted(summaries(4, "sum: {text}"))
    (tree,) = answer_by_amplification([f"sum: {text}"], overseer, first_words, Limits(depth=3))
    parts = [child.question for child in tree.children]
    assert parts == ["sum: w0 w1 w2", "sum: w3 w4 w5 w6", "sum: w7 w8 w9", "sum: w0 w3 w7"]
    assert tree.answer == "w0"
    assert " ".join(part.removeprefix("sum: ") for part in parts[:3]) == text
    (short,) = answer_by_amplification(["sum: a b"], overseer, first_words, Limits(depth=3))
    assert (short.answer, short.children) == ("a", ())


def test_summaries_of_one_word_are_an_error() -> None:
    with pytest.raises(InputError, match="two or more"):
        summaries(1)


def shortened(length: int, limits: Limits) -> Node:
    """The tree of a text w0 w1 ..., of which two words are read at once."""
    text = " ".join(f"w{i}" for i in range(length))
    (tree,) = answer_by_amplification(
        [f"sum: {text}"], Scripted(summaries(2, "sum: {text}", limits)), first_words, limits
    )
    return tree


def test_parts_that_are_too_long_are_taken_apart_again() -> None:
    # Three moves are two parts and their summaries. Either half takes 4 calls of the overseer and 3 of the model alone,
    # the last summary one of each, the root 4 of the overseer: 20.
    tree = shortened(8, Limits(depth=2, moves=3, budget=20))
    assert [child.question for child in tree.children] == ["sum: w0 w1 w2 w3", "sum: w4 w5 w6 w7", "sum: w0 w4"]
    assert [part.question for part in tree.children[1].children] == ["sum: w4 w5", "sum: w6 w7", "sum: w4 w6"]
    assert (tree.answer, tree.depth, tree.total_calls) == ("w0", 2, 20)


@pytest.mark.parametrize(
    ("length", "limits", "note"),
    # 9 words are 4 and 5, 2 and 2 and 2 and 3, the last 2 and 1: 31 calls at depth 3.
    [(8, Limits(depth=2, moves=3, budget=19), "amplify.depth = 2 and amplify.budget = 19; 2 and 32 would do"),
     (9, Limits(depth=2, moves=3, budget=24), "amplify.depth = 2 and amplify.budget = 24; 3 and 32 would do"),
     (3, Limits(depth=2, moves=2), "2 moves; amplify.moves = 3 lets it be cut in two")],
)  # fmt: skip
def test_a_text_beyond_the_limits_is_refused_before_the_model_is_asked(length: int, limits: Limits, note: str) -> None:
    tree = shortened(length, limits)
    assert (tree.answer, tree.children, tree.calls) == (None, (), 1)
    assert tree.note == f"the text is too long for {note}"


@given(length=st.integers(3, 40), depth=st.integers(1, 4))
def test_what_a_text_takes_is_foreseen(length: int, depth: int) -> None:
    limits = Limits(depth, moves=3, budget=1000)
    tree, split = shortened(length, limits), Split(2, limits)
    if length > 2 * 2**depth:
        assert tree.note.endswith(f"{split.levels(length)} and 1000 would do")
    else:
        assert (tree.answer, tree.total_calls, tree.depth) == ("w0", split.calls(length, depth), split.levels(length))
        assert max(len(node.question.split()) - 1 for node in tree if node.by == "model") == 2
