"""Texts as numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.maths import ngrams

PETS = [f"the pet of {who} is a {pet}" for who in ("anna", "ben", "clara", "david") for pet in ("cat", "dog")]
SUMS = [f"work out {a} plus {b} step by step" for a in ("one", "two", "three", "four") for b in ("five", "six")]


def test_words_are_words_marks_and_single_characters_where_no_spaces_are_written():
    assert ngrams.words("Hi, there!\n今日は it's") == ["Hi", ",", "there", "!", "\n", "今", "日", "は", "it", "'", "s"]


def test_terms_are_in_two_texts_at_least_and_the_commonest_are_first():
    x, terms = ngrams.tfidf(["a b", "a b", "a c"])
    assert terms == ["a", "a b", "b"]
    assert np.allclose(x.toarray()[2], [1.0, 0.0, 0.0])


def test_weights_are_those_of_the_formula():
    x, terms = ngrams.tfidf(["a a b", "a b", "c"], most=1)
    assert terms == ["a"]
    assert np.allclose(x.toarray(), [[1.0], [1.0], [0.0]])
    x, terms = ngrams.tfidf(["a a b", "b", "b a"])
    assert terms == ["b", "a"]
    often, rare = 1 + np.log(4 / 4), (1 + np.log(2)) * (1 + np.log(4 / 3))
    assert np.allclose(x.toarray()[0], np.array([often, rare]) / np.hypot(often, rare))


@given(st.lists(st.text("ab cd", max_size=12), min_size=1, max_size=8))
def test_rows_have_length_1_or_no_term(texts):
    x, _ = ngrams.tfidf(texts)
    lengths = np.sqrt((x.toarray() ** 2).sum(axis=1))
    assert np.all(np.isclose(lengths, 1) | (lengths == 0))
    embedded = np.linalg.norm(ngrams.embed(texts), axis=1)
    assert np.all(np.isclose(embedded, 1) | (embedded == 0))


def test_like_texts_are_embedded_alike():
    rows = ngrams.embed([*PETS, *SUMS], rank=2)
    likeness = rows @ rows.T
    assert likeness[: len(PETS), : len(PETS)].min() > likeness[: len(PETS), len(PETS) :].max()


def test_topics_are_found_and_named_by_what_sets_them_apart():
    texts = [*PETS, *SUMS]
    names = ngrams.topics(texts, ngrams.embed(texts), 2, seed=0)
    assert len(set(names[: len(PETS)])) == len(set(names[len(PETS) :])) == 1
    assert "pet" in names[0] or "the" in names[0] or "is" in names[0]
    assert names == ngrams.topics(texts, ngrams.embed(texts), 2, seed=0)


@pytest.mark.parametrize("texts", [["a"], ["same words", "same words", "same words"], ["a", "b", "c"]])
def test_texts_without_topics_are_one_cluster(texts):
    assert len(set(ngrams.topics(texts, ngrams.embed(texts), 4, seed=0))) == 1
