import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from gyrocompass.maths import stats


def test_wilson_by_hand():
    """8 of 10, z = 1.959964: centre (8 + z^2/2) / (10 + z^2) = 0.71673, half-width 0.22659."""
    found = stats.proportion(8, 10)
    assert found.value == 0.8
    assert found.low == pytest.approx(0.490162, abs=1e-5)
    assert found.high == pytest.approx(0.943318, abs=1e-5)


def test_mean_by_hand():
    """(1, 2, 3): sd 1, t(0.975, 2) = 4.302653, half-width 4.302653 / sqrt 3 = 2.484138."""
    found = stats.mean([1, 2, 3])
    assert (found.value, found.n) == (2.0, 3)
    assert found.high == pytest.approx(4.484138, abs=1e-5)


def test_mean_covers_at_its_level():
    rng = np.random.default_rng(0)
    intervals = [stats.mean(rng.normal(1.0, 2.0, 12)) for _ in range(2000)]
    covered = sum(e.low <= 1.0 <= e.high for e in intervals)
    assert stats.proportion(covered, 2000, level=0.999).low < 0.95 < stats.proportion(covered, 2000, level=0.999).high


def test_no_number_without_data():
    for call in (lambda: stats.mean([]), lambda: stats.proportion(0, 0), lambda: stats.mean([1, np.nan])):
        with pytest.raises(ValueError, match=r"data|trials|finite"):
            call()
    with pytest.raises(ValueError, match="shape"):
        stats.paired_difference([1, 2], [1, 2, 3])


def test_pairing_removes_what_the_items_share():
    rng = np.random.default_rng(1)
    item = rng.normal(0, 10, 200)
    found = stats.paired_difference(item + 0.5 + rng.normal(0, 0.1, 200), item)
    assert 0.4 < found.low < found.high < 0.6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 6), n=st.integers(1, 6), ties=st.booleans())
def test_best_of_n_equals_the_mean_over_all_subsets(seed, k, n, ties):
    n = min(n, k)
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (1, k)).astype(float) if ties else rng.normal(size=(1, k))
    values = rng.normal(size=(1, k))
    total = []
    for subset in itertools.combinations(range(k), n):
        best = scores[0, list(subset)].max()
        total.append(np.mean([values[0, i] for i in subset if scores[0, i] == best]))
    found = stats.best_of_n(scores, values, n)[0]
    assert found == pytest.approx(np.mean(total), abs=1e-9)


def test_best_of_the_whole_pool_is_its_best():
    scores, values = np.array([[1.0, 3.0, 2.0]]), np.array([[10.0, 20.0, 30.0]])
    assert stats.best_of_n(scores, values, 3)[0] == pytest.approx(20.0)
    assert stats.best_of_n(scores, values, 1)[0] == pytest.approx(20.0)
    with pytest.raises(ValueError, match="best of 4"):
        stats.best_of_n(scores, values, 4)


def test_noise_reaches_the_disagreement_asked_for():
    rng = np.random.default_rng(0)
    differences, weights = rng.normal(size=(2, 500)), np.array([0.6, 0.4])
    temperature = stats.noise_for_disagreement(differences, weights, 0.27)
    p = weights @ expit(differences / temperature)
    first, second = rng.random((2, 4000, 500)) < p
    assert float((first != second).mean()) == pytest.approx(0.27, abs=0.005)


@pytest.mark.parametrize("target", [0.0, 0.5, 0.7])
def test_a_disagreement_no_noise_gives_is_refused(target):
    with pytest.raises(ValueError, match="outside"):
        stats.noise_for_disagreement(np.ones((1, 3)), np.ones(1), target)


def test_ties_everywhere_are_refused():
    with pytest.raises(ValueError, match="ties"):
        stats.noise_for_disagreement(np.zeros((1, 3)), np.ones(1), 0.2)
