"""Two samples: differences against published intervals, a classifier against what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, special

from gyrocompass.maths import clusters, stats, twosample
from gyrocompass.maths.stats import Estimate

numbers = st.floats(-5, 5)
widths = st.floats(0, 3)


def estimates():
    return st.builds(lambda v, a, b: Estimate(v, v - a, v + b, 9), numbers, widths, widths)


def test_the_difference_of_two_rates_is_newcombes():
    found = twosample.difference(stats.proportion(56, 70), stats.proportion(48, 80))
    assert found.value == pytest.approx(0.2)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.n == 70


def test_two_rates_of_zero_differ_by_zero_with_an_interval():
    found = twosample.difference(stats.proportion(0, 10), stats.proportion(0, 10))
    assert found.low < 0 == found.value < found.high


@given(estimates(), estimates())
def test_a_difference_turns_round_with_its_operands(a, b):
    one, other = twosample.difference(a, b), twosample.difference(b, a)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert one.low <= one.value <= one.high


def test_the_difference_of_paired_rates_is_newcombes():
    yes, no = np.array([[1, 1]] * 43 + [[1, 0]] * 15 + [[0, 1]] * 0 + [[0, 0]] * 22).T
    together = twosample.correlation(yes, range(80), no, range(80))
    assert together == pytest.approx((43 * 22 - 15 * 0) / np.sqrt(58 * 22 * 43 * 37))
    found = twosample.difference(stats.proportion(58, 80), stats.proportion(43, 80), together)
    a, b = stats.proportion(58, 80), stats.proportion(43, 80)
    below, above = a.value - a.low, b.high - b.value
    assert found.low == pytest.approx(15 / 80 - np.sqrt(below**2 + above**2 - 2 * together * below * above))
    assert found.high - found.low < 0.8 * np.subtract(*twosample.difference(a, b)[2:0:-1])


def test_means_of_the_same_groups_differ_as_pairs_do():
    rng = np.random.default_rng(1)
    x, groups = rng.normal(size=60) + np.repeat(rng.normal(size=20), 3), np.repeat(np.arange(20), 3)
    y = x + 0.3 * rng.normal(size=60) - 0.5
    one, other = clusters.mean(x, groups), clusters.mean(y, groups)
    together = twosample.correlation(x, groups, y, groups)
    assert twosample.difference(one, other, together) == pytest.approx(clusters.difference(x, y, groups))


def test_samples_without_a_group_in_common_are_independent():
    assert twosample.correlation([1.0, 2.0], ["a", "b"], [1.0, 5.0], ["c", "d"]) == 0
    assert twosample.correlation([1.0, 1.0], ["a", "b"], [1.0, 5.0], ["a", "b"]) == 0
    assert twosample.correlation([1.0, 2.0], ["a", "b"], [5.0, 1.0], ["a", "b"]) == pytest.approx(-1)
    alone = Estimate(1.0, -np.inf, np.inf, 1)
    assert twosample.difference(alone, alone, 0.5).high == np.inf


def test_p_is_that_of_the_normal_distribution():
    assert twosample.p_value(Estimate(2.0, 2 - 1.959964, 9.0, 5)) == pytest.approx(0.0455, abs=1e-4)
    assert twosample.p_value(Estimate(-2.0, -9.0, -2 + 1.959964, 5)) == pytest.approx(0.0455, abs=1e-4)


@pytest.mark.parametrize(
    ("found", "p"),
    [
        ((0.0, -1.0, 1.0, 3), 1.0),
        ((1.0, -np.inf, np.inf, 1), 1.0),
        ((1.0, 1.0, 1.0, 3), 0.0),
        ((0.0, 0.0, 0.0, 3), 1.0),
    ],
)
def test_p_where_the_interval_has_no_width_or_no_end(found, p):
    assert twosample.p_value(Estimate(*found)) == p


@given(estimates())
def test_p_is_below_1_in_20_where_the_interval_excludes_zero(found):
    p = twosample.p_value(found)
    if min(abs(found.low), abs(found.high)) > 1e-6 and found.value != 0:
        assert (p < 0.05) == (found.low > 0 or found.high < 0)


def test_equal_rates_are_told_apart_no_more_often_than_the_level_says():
    rng = np.random.default_rng(0)
    hits = rng.binomial((40, 90), 0.1, size=(1500, 2)).tolist()
    p = [twosample.p_value(twosample.difference(stats.proportion(a, 40), stats.proportion(b, 90))) for a, b in hits]
    assert np.mean(np.array(p) < 0.05) < 0.07


def features(*columns):
    return sparse.csr_array(np.column_stack(columns).astype(np.float64))


def test_what_is_told_apart_by_one_feature_is_told_apart_always():
    second = np.arange(80) % 2 == 1
    told = twosample.tell_apart(features(np.where(second, 1, -1)), second, np.arange(80) // 2)
    assert told.accuracy.value == 1.0
    assert told.accuracy.n == 20
    assert told.weights[0] == pytest.approx(40 * special.expit(-told.weights[0]), rel=1e-3)


def test_noise_is_not_told_apart():
    rng = np.random.default_rng(1)
    second = np.arange(1000) % 2 == 1
    told = twosample.tell_apart(sparse.csr_array(rng.normal(size=(1000, 20))), second, np.arange(1000))
    assert told.accuracy.low < 0.5 < told.accuracy.high


def test_nothing_is_learnt_of_a_group_and_then_asked_again():
    groups = np.arange(400) // 4
    second = groups % 2 == 1
    one_hot = sparse.csr_array((np.ones(400), (np.arange(400), groups)), shape=(400, 100))
    assert twosample.tell_apart(one_hot, second, groups).accuracy.value == 0.5


def test_a_larger_sample_is_no_better_guess():
    second = np.arange(300) >= 60
    told = twosample.tell_apart(features(np.zeros(300)), second, np.arange(300))
    assert told.accuracy.value == 0.5


@pytest.mark.parametrize(("n", "second"), [(2, [False, True]), (8, [True] * 8), (8, [False] * 8)])
def test_too_few_groups_are_refused(n, second):
    with pytest.raises(ValueError, match="too few"):
        twosample.tell_apart(features(np.ones(n)), np.array(second), np.arange(n))
