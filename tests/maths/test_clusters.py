import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths import clusters, stats


def beta_binomial(rng, groups, size, p, concentration=2.0):
    """0/1 values in clusters whose own rates vary around p."""
    names = np.repeat(np.arange(groups), size)
    rates = rng.beta(p * concentration, (1 - p) * concentration, groups)
    return (rng.random(groups * size) < rates[names]).astype(float), names


def column_mean(rows):
    return float(rows[:, 0].mean())


def test_clustered_mean_by_hand():
    """(1, 3 | 5, 7): mean 4, cluster sums of residuals -4 and 4, variance 2/1 x 32 / 16 = 4; t(0.975, 1) = 12.7062."""
    found = clusters.mean([1, 3, 5, 7], ["a", "a", "b", "b"])
    assert (found.value, found.n) == (4.0, 2)
    assert found.high == pytest.approx(4 + 2 * 12.7062, abs=1e-3)


def test_pulls_by_hand():
    """Clusters pull by 2 and -2: variance 2/1 x 8 = 16; t(0.975, 1) = 12.7062, and t(0.975, 3) = 3.1824."""
    found = clusters.from_pulls(7.0, [1, 1, -3, 1], ["a", "a", "b", "b"])
    assert (found.value, found.n) == (7.0, 2)
    assert found.high == pytest.approx(7 + 4 * 12.7062, abs=1e-3)
    four = clusters.from_pulls(7.0, [1, 1, -3, 1], ["a", "a", "b", "b"], groups=4)
    assert four.low == pytest.approx(7 - 3.1824 * (4 / 3 * 8) ** 0.5, abs=1e-3)
    assert np.isinf(clusters.from_pulls(7.0, [1, -1], ["a", "b"], groups=1).high)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60))
def test_clusters_of_one_are_no_clusters(seed, n):
    rng = np.random.default_rng(seed)
    names = rng.permutation(n)
    x, yes = rng.normal(size=n), (rng.random(n) < 0.4).astype(float)
    assert clusters.mean(x, names) == pytest.approx(stats.mean(x))
    assert clusters.proportion(yes, names) == pytest.approx(stats.proportion(int(yes.sum()), n))
    assert clusters.difference(x, yes, names) == pytest.approx(stats.paired_difference(x, yes))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), groups=st.integers(1, 12), copies=st.integers(1, 5))
def test_copies_of_a_case_tell_nothing_new(seed, groups, copies):
    rng = np.random.default_rng(seed)
    x, names = rng.normal(size=groups), [f"question {i}" for i in range(groups)]
    assert clusters.mean(np.repeat(x, copies), np.repeat(names, copies)) == pytest.approx(clusters.mean(x, names))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), groups=st.integers(1, 8))
def test_a_clustered_proportion_stays_within_its_bounds(seed, n, groups):
    rng = np.random.default_rng(seed)
    x, names = (rng.random(n) < rng.random()).astype(float), rng.integers(groups, size=n)
    found = clusters.proportion(x, names)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(np.unique(names))
    narrowest, widest = stats.wilson(found.value, n), stats.wilson(found.value, 1)
    assert widest[0] - 1e-9 <= found.low <= narrowest[0] + 1e-9
    assert narrowest[1] - 1e-9 <= found.high <= widest[1] + 1e-9


def test_equal_values_rest_on_the_clusters_alone():
    assert clusters.proportion(np.ones(12), np.repeat([1, 2, 3], 4)) == pytest.approx(stats.proportion(3, 3))
    assert clusters.proportion([0, 1, 1], [1, 1, 1])[1:3] == pytest.approx(stats.wilson(2 / 3, 1))


@pytest.mark.parametrize(("groups", "p"), [(30, 0.5), (30, 0.1), (8, 0.5)])
def test_a_clustered_proportion_covers_at_its_level(groups, p):
    rng = np.random.default_rng(0)
    found = [clusters.proportion(*beta_binomial(rng, groups, 5, p)) for _ in range(600)]
    assert np.mean([e.low <= p <= e.high for e in found]) > 0.925


def test_what_is_no_clustered_sample_is_refused():
    for x, names in (([], []), ([1.0, 0.0], [1]), ([np.nan], [1])):
        for rule in (clusters.mean, clusters.proportion):
            with pytest.raises(ValueError, match=r"data|clusters|finite"):
                rule(x, names)
    with pytest.raises(ValueError, match="outside"):
        clusters.proportion([2.0], [1])
    with pytest.raises(ValueError, match="shape"):
        clusters.difference([1.0], [1.0, 2.0], [1])


def test_one_cluster_has_no_bounds():
    assert clusters.mean([1, 2], [7, 7]) == stats.Estimate(1.5, -np.inf, np.inf, 1)
    assert clusters.p_value([1, 2], [0, 0], [7, 7]) == 1.0
    found, p = clusters.bootstrap_difference(np.zeros((2, 1)), np.ones((2, 1)), [7, 7], column_mean)
    assert (found, p) == (stats.Estimate(1.0, -np.inf, np.inf, 1), 1.0)


def test_p_by_hand():
    """Differences (0, 2), a cluster each: mean 1, error 1, t = 1 on 1 degree of freedom: p = 1/2."""
    assert clusters.p_value([1, 3], [1, 1], [0, 1]) == pytest.approx(0.5)
    assert clusters.p_value([1, 3], [1, 3], [0, 1]) == 1.0


def test_p_without_spread_is_the_sign_tests():
    assert clusters.p_value(np.ones(5), np.zeros(5), np.arange(5)) == pytest.approx(1 / 16)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1, 1))
def test_p_and_interval_agree(seed, shift):
    rng = np.random.default_rng(seed)
    a, b, names = rng.normal(shift, 1, 40), rng.normal(0, 1, 40), rng.integers(10, size=40)
    found = clusters.difference(a, b, names)
    assert (clusters.p_value(a, b, names) < 0.05) == (not found.low <= 0 <= found.high)
    assert clusters.p_value(a, b, names) == pytest.approx(clusters.p_value(b, a, names))


@pytest.mark.parametrize("groups", [8, 30])
def test_the_bootstrap_covers_at_its_level(groups):
    rng = np.random.default_rng(1)
    samples = (beta_binomial(rng, groups, 4, 0.5) for _ in range(200))
    found = [clusters.bootstrap(x[:, None], names, column_mean, resamples=200) for x, names in samples]
    assert np.mean([e.low <= 0.5 <= e.high for e in found]) > 0.9


def test_the_bootstrap_of_a_mean_is_close_to_the_t_interval():
    rng = np.random.default_rng(2)
    x, names = rng.normal(size=(400, 1)), np.arange(400) // 4
    found, expected = clusters.bootstrap(x, names, column_mean, resamples=4000), clusters.mean(x[:, 0], names)
    assert found == pytest.approx(expected, abs=0.015)
    assert found == clusters.bootstrap(x, names, column_mean, resamples=4000)
    assert found != clusters.bootstrap(x, names, column_mean, resamples=4000, seed=1)


def test_clusters_are_resampled_whole():
    """Within each cluster the values sum to zero, so every resample does."""
    rows = np.array([[1.0], [-1.0], [5.0], [-2.0], [-3.0]])
    found = clusters.bootstrap(rows, ["x", "x", "y", "y", "y"], lambda r: float(r.sum()))
    assert found == stats.Estimate(0.0, 0.0, 0.0, 2)
    shuffled = [3, 0, 2, 4, 1]
    names = np.array(["x", "x", "y", "y", "y"])[shuffled]
    assert clusters.bootstrap(rows[shuffled], names, lambda r: float(r.sum()))[:3] == (0.0, 0.0, 0.0)


def test_undefined_resamples_are_left_out_unless_they_are_most():
    rows = np.array([[1.0], [0.0], [0.0]])

    def among_ones(r, least=1):
        if (r == 1).sum() < least:
            raise ValueError("no ones")
        return float(r.mean())

    assert clusters.bootstrap(rows, [0, 1, 2], among_ones).low >= 1 / 3  # 30% of the resamples have no one
    with pytest.raises(ValueError, match="no ones"):
        clusters.bootstrap(rows, [0, 1, 2], lambda r: among_ones(r, 2))
    with pytest.raises(ValueError, match="undefined on"):
        clusters.bootstrap(np.arange(5.0)[:, None], range(5), lambda r: 1.0 if len(np.unique(r)) == 5 else np.nan)
    with pytest.raises(ValueError, match="finite"):
        clusters.bootstrap(rows, [0, 1, 2], lambda r: float("nan"))


def test_the_bootstrap_is_quick():
    rng = np.random.default_rng(3)
    rows, names = rng.normal(size=(1000, 2)), rng.integers(300, size=1000)
    start = time.perf_counter()
    clusters.bootstrap(rows, names, column_mean)
    assert time.perf_counter() - start < 1


def test_a_bootstrap_difference_is_second_minus_first_and_paired():
    rng = np.random.default_rng(4)
    question = np.repeat(rng.normal(0, 10, 50), 2)[:, None]
    first, second = question + rng.normal(0, 0.1, (100, 1)), question + 0.5 + rng.normal(0, 0.1, (100, 1))
    found, p = clusters.bootstrap_difference(first, second, np.arange(100) // 2, column_mean)
    assert 0.4 < found.low < 0.5 < found.high < 0.6
    assert p < 0.01
    back, p_back = clusters.bootstrap_difference(second, first, np.arange(100) // 2, column_mean)
    assert back.value == pytest.approx(-found.value)
    assert p_back < 0.01


def test_a_bootstrap_difference_of_equals_is_zero():
    rows = np.random.default_rng(5).normal(size=(20, 1))
    assert clusters.bootstrap_difference(rows, rows, range(20), column_mean) == (stats.Estimate(0.0, 0.0, 0.0, 20), 1.0)
    with pytest.raises(ValueError, match="number"):
        clusters.bootstrap_difference(rows, rows[:3], range(20), column_mean)


def test_bootstrap_p_is_even_under_no_difference_and_agrees_with_its_interval():
    rng = np.random.default_rng(6)
    below = []
    for _ in range(150):
        a, b = rng.normal(size=(2, 30, 1))
        found, p = clusters.bootstrap_difference(a, b, range(30), column_mean, resamples=200)
        below.append(p < 0.05)
        if abs(p - 0.05) > 0.01:
            assert (p < 0.05) == (not found.low <= 0 <= found.high)
    assert 0.01 < np.mean(below) < 0.1


def test_a_gap_by_hand():
    """Three up and one down of ten independent differences: (3 + 1) / 12 and (1 + 1) / 12."""
    x = [1.0] * 3 + [-1.0] + [0.0] * 6
    found = clusters.gap(x, list(range(10)))
    centre = 2 / 12
    half = 1.959964 * ((6 / 12 - centre**2) / 12) ** 0.5
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-3)
    assert found.n == 10


@pytest.mark.parametrize("same", [-1.0, 0.0, 1.0])
def test_a_gap_without_spread_keeps_its_doubt_and_holds_its_value(same):
    found = clusters.gap([same] * 8, list(range(8)))
    assert -1 <= found.low <= same <= found.high <= 1
    assert found.high - found.low > 0.3


def test_a_gap_covers_at_its_level():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        up, down = rng.random((2, 30, 1)) < np.array([0.3, 0.1])[:, None, None]
        x = (up.astype(float) - down)[:, 0]
        found = clusters.gap(x, np.arange(30))
        hits += found.low <= 0.2 <= found.high
    assert hits / 400 >= 0.93


def test_a_gap_is_of_differences():
    with pytest.raises(ValueError, match="outside"):
        clusters.gap([2.0, 0.0], [0, 1])
