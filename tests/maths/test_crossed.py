import numpy as np
import pytest

from gyrocompass.maths import clusters, crossed

RNG = np.random.default_rng(0)
QUESTIONS = np.repeat(np.arange(30), 2)


def test_with_one_seed_it_is_the_clustered_mean():
    x = RNG.normal(size=(1, 60))
    assert crossed.mean(x, QUESTIONS) == pytest.approx(clusters.mean(x[0], QUESTIONS))


def test_seeds_that_agree_on_every_case_add_no_error():
    x = RNG.normal(size=(1, 60))
    one, three = crossed.mean(x, QUESTIONS), crossed.mean(np.repeat(x, 3, axis=0), QUESTIONS)
    assert three == pytest.approx(one)


def test_seeds_that_differ_widen_the_interval_and_few_of_them_by_student_s_t():
    """Seed means -1, 0, 1 of constant cases: standard error sqrt(3/2 * 2/9) = 1/sqrt(3), t of 2 degrees is 4.3027."""
    x = np.repeat([[-1.0], [0.0], [1.0]], 60, axis=1)
    found = crossed.mean(x, QUESTIONS)
    assert found.high == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)


def test_a_ratio_to_one_is_the_mean():
    x = RNG.normal(size=(3, 60))
    assert crossed.ratio(x, np.ones((3, 60)), QUESTIONS) == pytest.approx(crossed.mean(x, QUESTIONS))


def test_the_ends_of_a_ratio_s_interval_are_just_not_told_from_it():
    """Fieller: at r = low and r = high, mean(a - r b) is t standard errors from 0."""
    a, b = RNG.normal(1, 1, size=(1, 60)), RNG.normal(2, 1, size=(1, 60))
    found = crossed.ratio(a, b, QUESTIONS)
    for r in (found.low, found.high):
        edge = crossed.mean(a - r * b, QUESTIONS)
        assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-9)


def test_a_ratio_to_what_may_be_nothing_is_no_number():
    with pytest.raises(ValueError, match="can't be told from 0"):
        crossed.ratio(np.ones((3, 60)), RNG.normal(size=(3, 60)), QUESTIONS)
    with pytest.raises(ValueError, match="is 0"):
        crossed.ratio(np.ones((3, 60)), np.zeros((3, 60)), QUESTIONS)


def test_a_share_of_single_cases_is_nearly_wilson_s():
    hits = RNG.random((1, 200)) < 0.8
    found = crossed.share(hits, np.ones_like(hits), np.arange(200))
    assert found == pytest.approx(clusters.proportion(hits[0], np.arange(200)), abs=0.01)


def test_a_share_is_among_the_cases_named_and_stays_within_0_and_1():
    hits = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 1, 1]], bool)
    among = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 1]], bool)
    found = crossed.share(hits, among, list("abcde"))
    assert (found.value, found.high, found.n) == (1.0, 1.0, 3)
    assert 0 < found.low < 1
    with pytest.raises(ValueError, match="no such case"):
        crossed.share(hits, np.zeros_like(hits), list("abcde"))


def test_one_question_or_tables_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one question"):
        crossed.mean(np.zeros((3, 4)), ["a"] * 4)
    with pytest.raises(ValueError, match="no table"):
        crossed.mean(np.zeros(4), list("abcd"))


def test_the_variance_is_about_that_of_resampling_seeds_and_questions():
    effects = RNG.normal(size=(8, 1)) * 0.3 + RNG.normal(size=(1, 30)) * 0.5
    x = np.repeat(effects + RNG.normal(size=(8, 30)) * 0.3, 2, axis=1)
    draws = []
    for _ in range(4000):
        seeds, questions = RNG.integers(8, size=8), RNG.integers(30, size=30)
        draws.append(x[np.ix_(seeds, 2 * questions)].mean())
    expected = np.sqrt(crossed.spread(x[None], QUESTIONS).covariance[0, 0])
    assert np.std(draws) == pytest.approx(expected, rel=0.1)


def test_intervals_of_three_seeds_hold_the_truth_as_often_as_they_say():
    held = 0
    for _ in range(400):
        gap = 0.3 + RNG.normal(size=(3, 1)) * 0.03 + RNG.normal(size=(1, 60)) * 0.3
        gain = 0.12 + RNG.normal(size=(3, 1)) * 0.03 + RNG.normal(size=(1, 60)) * 0.3
        noise = RNG.normal(size=(2, 3, 60)) * 0.2
        found = crossed.ratio(gain + noise[0], gap + noise[1], np.arange(60))
        held += found.low <= 0.4 <= found.high
    assert 0.93 <= held / 400 <= 0.995
