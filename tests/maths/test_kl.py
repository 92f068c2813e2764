import math

import numpy as np
import pytest

from gyrocompass.maths.kl import adapt_coef, best_of_n


def test_best_of_n_by_hand():
    assert best_of_n(1) == 0
    assert best_of_n(4) == pytest.approx(math.log(4) - 0.75)
    with pytest.raises(ValueError, match="best of 0"):
        best_of_n(0)


def test_best_of_n_bounds_the_exact_kl_of_a_discrete_policy():
    """Uniform over m outcomes ranked by score: P(best has rank i) = (i^n - (i-1)^n) / m^n."""
    m, n = 50, 8
    rank = np.arange(1, m + 1)
    best = (rank / m) ** n - ((rank - 1) / m) ** n
    exact = float((best * np.log(best * m)).sum())
    assert exact <= best_of_n(n) < exact + 0.1


def test_adaptive_coefficient_by_hand():
    """KL 12 against 6 is clipped to +20%: 0.1 (1 + 0.2 * 500 / 10,000) = 0.101; at its target it rests."""
    assert adapt_coef(0.1, 12.0, 6.0, 500) == pytest.approx(0.101)
    assert adapt_coef(0.1, 5.4, 6.0, 1000) == pytest.approx(0.1 * (1 - 0.1 * 0.1))
    assert adapt_coef(0.1, 6.0, 6.0, 500) == 0.1
