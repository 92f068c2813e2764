"""The vocabulary, what is known, and the second dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.worlds.town import words

STANDARD_WORDS = sorted(set(words.WORDS) - set(words.SECOND.values()))


def test_every_word_is_one_lower_case_word_and_stands_once() -> None:
    assert len(words.WORDS) == len(set(words.WORDS))
    assert all(word.isalpha() and word.islower() for word in words.WORDS)
    assert 250 <= len(words.WORDS) <= 330


def test_each_known_person_has_each_attribute_and_no_stranger_has_any() -> None:
    assert set(words.FACTS) == {(a, p) for a in words.ATTRIBUTES for p in words.KNOWN}
    assert all(value in words.VALUES[attribute] for (attribute, _), value in words.FACTS.items())
    assert not set(words.KNOWN) & set(words.UNKNOWN)


def test_the_facts_stay_what_they_are() -> None:
    assert words.stable_fraction("pet anna") == pytest.approx(0.02941067431969551)
    assert words.FACTS["pet", "anna"] == "cat"  # value 0 of 8, as 8 * 0.029 = 0.24


def test_the_second_dialects_words_are_its_own() -> None:
    invented = set(words.SECOND.values())
    assert len(invented) == len(words.SECOND)
    assert not invented & set(STANDARD_WORDS)


@given(st.lists(st.sampled_from(STANDARD_WORDS)).map(" ".join))
def test_the_dialects_translate_into_each_other(text: str) -> None:
    second = words.to_dialect(text)
    assert words.to_standard(second) == text
    assert len(second.split()) == len(text.split())
    assert words.is_second(second) == (second != text)
    assert not words.is_second(text)


def test_only_things_that_can_be_counted_take_an_article() -> None:
    assert words.with_article("cat") == "a cat"
    assert words.with_article("red") == "red"
