"""Means over seeds with cases of their own."""

import numpy as np
import pytest

from gyrocompass.maths import nested, stats
from gyrocompass.maths.stats import Estimate


def test_one_seed_s_estimate_stays_as_it_is():
    assert nested.mean([Estimate(0.5, 0.4, 0.6, 100)]) == Estimate(0.5, 0.4, 0.6, 100)


def test_where_seeds_lie_apart_it_is_students_t_over_them():
    seeds = [Estimate(value, value - 0.01, value + 0.01, 900) for value in (0.2, 0.4, 0.6)]
    assert nested.mean(seeds) == stats.mean([0.2, 0.4, 0.6])
    cut = nested.mean(seeds, (0.0, 0.8))
    assert cut[:3] == pytest.approx((0.4, 0.0, 0.8))


def test_where_they_agree_their_own_intervals_add_up_in_squares():
    """Two arms of 0.03 and 0.04: a mean's arm is 0.05 / 2."""
    assert nested.mean([Estimate(0.5, 0.47, 0.5, 9), Estimate(0.5, 0.46, 0.6, 9)])[:3] == pytest.approx(
        (0.5, 0.475, 0.55)
    )


def test_seeds_that_are_right_throughout_leave_an_interval():
    found = nested.mean([stats.proportion(300, 300)] * 4, (0.0, 1.0))
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(1 - (1 - stats.proportion(300, 300).low) / 2)
    assert found.n == 4


def test_where_a_seed_has_no_number_there_is_none():
    one = Estimate(0.5, 0.4, 0.6, 9)
    assert nested.known_mean([one, one]) == nested.mean([one, one])
    assert nested.known_mean([one, None]) is None


def test_no_seed_is_no_number():
    with pytest.raises(ValueError, match="no number without data"):
        nested.mean([])


def test_it_holds_the_truth_where_models_and_cases_both_vary():
    """Accuracy 0.8 in the mean, 0.03 from model to model: four models with 100 cases of their own, 400 times."""
    rng = np.random.default_rng(0)
    told = [stats.proportion(hits, 100) for hits in range(101)]

    def held() -> bool:
        hits = rng.binomial(100, np.clip(rng.normal(0.8, 0.03, 4), 0, 1))
        found = nested.mean([told[hit] for hit in hits], (0.0, 1.0))
        return found.low <= 0.8 <= found.high

    assert np.mean([held() for _ in range(400)]) >= 0.94
