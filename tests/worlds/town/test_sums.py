from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.worlds.town.sums import ASKED, draw_sum_of, number_in, take_apart, terms_of, total
from gyrocompass.worlds.town.words import WORDS


@given(terms=st.integers(2, 5), seed=st.integers(0, 10**6))
def test_the_overseer_with_right_answers_comes_to_the_total(terms: int, seed: int) -> None:
    question = draw_sum_of(terms, "train", random.Random(seed))
    assert terms_of(question) == terms
    assert set(question.split()) <= set(WORDS)
    thought = take_apart(question)
    if terms == 2:
        assert thought is None
        return
    assert thought is not None
    asked = next(thought)
    assert terms_of(asked) == terms - 1
    asked = thought.send(str(total(asked)))
    with pytest.raises(StopIteration) as end:
        thought.send(str(total(asked)))
    assert end.value.value == total(question)


def test_train_and_held_out_sums_are_disjoint() -> None:
    rng = random.Random(0)
    train, heldout = ({draw_sum_of(3, split, rng) for _ in range(300)} for split in ("train", "heldout"))
    assert not train & heldout


def test_a_total_without_a_word_is_none() -> None:
    assert total(ASKED.format("one minus two")) is None
    assert total(ASKED.format("three plus four minus two")) == "five"


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("five", "five"), ("it is five", "five"), ("two plus three is five", "five"), ("i do not know", None),
        ("two plus three is five then five plus one is six so it is six", None), ("", None),
    ],
)  # fmt: skip
def test_a_number_is_read_from_a_reply(reply: str, number: str | None) -> None:
    assert number_in(reply) == number
