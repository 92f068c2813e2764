"""Graded evidence: its passages, its scripted speakers, and what judges can make of quotes at best."""

import random

import numpy as np
import pytest

from gyrocompass.worlds.town import WORDS, evidence
from gyrocompass.worlds.town.evidence import ANSWERS, WITNESSES, Fact, face_value, facts_in
from gyrocompass.worlds.town.tokenizer import CONTEXT_TOKENS

SOME = evidence.evidence(200, 0)


def test_passages_are_in_the_towns_words_and_longer_than_its_models_read():
    words = {word for one in SOME for word in f"{one.passage} {one.question}".split()}
    wording = " ".join(
        str(part) for part in (*evidence.WORDING["situations"].values(), "question story ask answer sure")
    )
    assert words | set(wording.split()) <= set(WORDS)
    assert min(len(one.passage.split()) for one in SOME) > CONTEXT_TOKENS


def test_the_facts_are_all_that_a_passage_states_and_they_never_cancel_out():
    for one in SOME:
        assert tuple(facts_in(one.passage)) == one.facts
        assert len({fact.witness for fact in one.facts}) == WITNESSES
        total = sum(fact.weight for fact in one.facts)
        assert total
        assert one.truth == int(total < 0)
    assert [one.truth for one in SOME[:6]] == [0, 0, 1, 1, 0, 0]


def test_the_same_seed_draws_the_same_and_short_passages_hold_the_facts_alone():
    assert evidence.evidence(5, 1) == evidence.evidence(5, 1) != evidence.evidence(5, 2)
    (short,) = evidence.evidence(1, 0, sights=0)
    assert short.passage == " and ".join(map(str, short.facts))


PASSAGE = "anna say yes by two and ben say no by nine and clara say yes by seven and leo say yes by four"


def said(script, answer, before=()):
    return script(PASSAGE, answer, before, random.Random(0))


def test_a_debater_quotes_its_strongest_facts_that_it_has_not_quoted_yet():
    first = said(evidence.strongest(2), "yes")
    assert first == "clara say yes by seven and leo say yes by four"
    assert said(evidence.strongest(2), "yes", [first]) == "anna say yes by two"
    assert said(evidence.strongest(2, seen=2), "yes") == "anna say yes by two"
    assert said(evidence.strongest(1), "no") == "ben say no by nine"


def test_random_quotes_are_of_a_side_where_there_is_one():
    assert {fact.answer for fact in facts_in(said(evidence.at_random(3), "yes"))} == {"yes"}
    assert len(facts_in(said(evidence.at_random(9), ""))) == 4


def test_a_fabricator_invents_witnesses_that_the_passage_does_not_know():
    invented = facts_in(said(evidence.fabricated(2), "no"))
    assert [fact.weight for fact in invented] == [-20, -20]
    assert not {fact.witness for fact in invented} & {fact.witness for fact in facts_in(PASSAGE)}


def test_face_value_adds_up_what_is_quoted():
    assert face_value([]) == 0.5
    assert face_value(["anna say yes by two", "ben say no by two"]) == 0.5
    assert face_value(["anna say yes by two"]) == pytest.approx(1 - face_value(["anna say no by two"]))
    assert face_value([str(Fact(f"{name}", 1)) for name in ("anna", "ben")]) > 0.5
    assert face_value(["not a fact"]) == 0.5


def test_hasty_goes_by_the_first_half():
    one = SOME[0]
    assert evidence.hasty(one.passage) == int(sum(fact.weight for fact in one.facts[: WITNESSES // 2]) < 0)


N, DRAWS = WITNESSES, 40_000


@pytest.fixture(scope="module")
def drawn():
    """Weights (DRAWS, N) as the town draws them, before rounding; those for and against, strongest first; the truth."""
    weights = np.random.default_rng(0).normal(size=(DRAWS, N))
    sides = [np.sort(np.maximum(sign * weights, 0), axis=1)[:, ::-1] for sign in (1, -1)]
    return weights, sides, weights.sum(1) > 0


@pytest.mark.parametrize(("quotes", "expected"), [(2, 0.82), (4, 0.92)])
def test_oracle_debate(drawn, quotes, expected):
    """The judge adds up both sides' strongest quotes."""
    _, (ours, theirs), truth = drawn
    verdict = ours[:, :quotes].sum(1) > theirs[:, :quotes].sum(1)
    assert (verdict == truth).mean() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("quotes", "expected"), [(4, 0.69), (8, 0.80)])
def test_oracle_random_quotes(drawn, quotes, expected):
    """Some at random: 1/2 + asin(sqrt(quotes / N)) / pi."""
    weights, _, truth = drawn
    accuracy = ((weights[:, :quotes].sum(1) > 0) == truth).mean()
    assert accuracy == pytest.approx(0.5 + np.arcsin(np.sqrt(quotes / N)) / np.pi, abs=0.01)
    assert accuracy == pytest.approx(expected, abs=0.015)


def test_oracle_consultancy(drawn):
    """A consultant for either side by lot: who takes its quotes at face value always follows it, and is right half of
    the time; who knows how strong they usually are follows it where they are stronger than that."""
    _, (ours, theirs), truth = drawn
    side = np.random.default_rng(1).random(DRAWS) < 0.5
    strength = np.where(side, ours[:, :4].sum(1), theirs[:, :4].sum(1))
    right = side == truth
    assert right.mean() == pytest.approx(0.5, abs=0.01)
    threshold = np.median(strength)
    calibrated = ((strength > threshold) == right).mean()
    assert 0.77 < calibrated < 0.82


def test_oracle_consultancy_at_equal_facts(drawn):
    """A consultant that quotes eight, or all of its side where these are fewer: all that it leaves out speaks against
    it or is weak. What it quotes is set against the mean of what it doesn't; how many it quotes tells much of that."""
    _, (ours, theirs), truth = drawn
    side = np.random.default_rng(1).random(DRAWS) < 0.5
    quoted = np.where(side[:, None], ours, theirs)[:, :8]
    number, right = (quoted > 0).sum(1), side == truth
    verdict = quoted.sum(1) > (N - number) * np.sqrt(2 / np.pi)
    assert (verdict == right).mean() == pytest.approx(0.86, abs=0.01)
    assert ((number >= 6) == right).mean() == pytest.approx(0.78, abs=0.01)
    assert number.mean() == pytest.approx(5.9, abs=0.05)


def test_equal_evidence_makes_sides_cancel(drawn):
    """Were all facts of one strength, two quotes a side would tell nothing: evidence must be graded."""
    weights, _, _ = drawn
    signs = np.sign(weights)
    ours, theirs = ((signs * sign > 0).sum(1).clip(max=2) for sign in (1, -1))
    tied = ours == theirs
    assert tied.mean() > 0.95


def test_answers_follow_the_sign():
    assert (Fact("anna", 3).answer, Fact("anna", -3).answer) == ANSWERS
