"""Quotes: found, held against the passage, shown; and turns cut to their limit."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.feedback.debate.quotes import Quote, check, cut, marked, pieces, stands

PASSAGE = "The fox slept.  Nobody saw the\nhen leave, and someone locked the door."


def test_a_quote_is_verified_if_it_stands_there_as_whole_words_white_space_aside():
    found = check("See <quote>saw the hen</quote> but <quote>The fox woke</quote>, <quote>one locked</quote>.", PASSAGE)
    assert found.quotes == (Quote("saw the hen", True), Quote("The fox woke", False), Quote("one locked", False))
    assert found.between == ("See ", " but ", ", ", ".")


def test_trusted_quotes_pass_as_they_stand_but_blank_ones_never():
    found = check("<quote>The fox woke</quote><quote> </quote>", PASSAGE, trusted=True)
    assert [quote.verified for quote in found.quotes] == [True, False]


def test_marked_shows_each_quote_by_its_form():
    found = check("a <quote>The fox slept.</quote> b <quote>no</quote>", PASSAGE)
    assert marked(found, "[+{quote}]", "[-{quote}]") == "a [+The fox slept.] b [-no]"


def test_pieces_tell_quotes_from_plain_text_without_tags():
    text = "a <quote>The fox slept.</quote> b"
    assert pieces(text, check(text, PASSAGE).quotes) == [("a ", None), ("The fox slept.", True), (" b", None)]


def test_a_blank_quote_stands_nowhere_and_is_read_as_nothing():
    text = "a <quote> </quote> b <quote>The fox slept.</quote>"
    found = check(text, PASSAGE)
    assert [quote.verified for quote in found.quotes] == [False, True]
    assert not stands("", PASSAGE)
    assert not stands(" ", PASSAGE)
    assert pieces(text, found.quotes) == [("a   b ", None), ("The fox slept.", True)]


def test_a_turn_is_cut_after_its_last_word_allowed():
    assert cut("one two\nthree  four", 3) == ("one two\nthree", True)
    assert cut(" one two ", 2) == ("one two", False)
    assert cut("", 1) == ("", False)


@given(st.lists(st.text("ab", min_size=1), max_size=8), st.integers(1, 8))
def test_cut_keeps_the_first_words(words, limit):
    text, was_cut = cut(" ".join(words), limit)
    assert text.split() == words[:limit]
    assert was_cut == (len(words) > limit)


@given(st.text("ab c", max_size=20), st.integers(0, 5), st.integers(0, 5))
def test_any_whole_words_of_a_passage_are_verified(passage, start, length):
    words = passage.split()[start : start + length]
    quote = check(f"<quote>{' '.join(words)}</quote>", passage).quotes[0]
    assert quote.verified == bool(words)


@given(st.text("aé_ .", max_size=12), st.text("aé_ .", max_size=4).filter(str.strip))
def test_a_quote_stands_where_no_word_goes_on_at_its_ends(passage, quote):
    quoted, text = " ".join(quote.split()), " ".join(passage.split())
    assert stands(quoted, passage) == bool(re.search(rf"(?<!\w){re.escape(quoted)}(?!\w)", text))
    assert not stands("", passage)
