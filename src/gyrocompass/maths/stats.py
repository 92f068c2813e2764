"""Estimates that carry their interval and their n. Intervals are 95% unless `level` says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number with its interval and the count it rests on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] (n={self.n:,})"


def mean(x: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean with Student's t interval, unbounded for n = 1. Raises ValueError if x is empty or not finite."""
    values = _finite(x)
    n, centre = len(values), float(values.mean())
    if n == 1:
        return Estimate(centre, -np.inf, np.inf, 1)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half, n)


def proportion(successes: int, n: int, level: float = 0.95) -> Estimate:
    """Wilson's score interval for a proportion. Raises ValueError if n < 1 or successes outside [0, n].

    Source: Wilson 1927; SciPy's `binomtest(...).proportion_ci(method='wilson')`.
    """
    if n < 1:
        raise ValueError("a proportion of no trials is not a number")
    ci = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Estimate(successes / n, float(ci.low), float(ci.high), n)


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of a - b over the same items, with its interval. Raises ValueError if the lengths differ."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"paired values differ in shape: {x.shape} and {y.shape}")
    return mean(x - y, level)


def best_of_n(scores: Floats, values: Floats, n: int) -> Floats:
    """Expected value of the response that the scorer likes best among n drawn from a pool, per prompt, (P,).

    Unbiased: the mean over all subsets of size n. With the K pooled responses sorted by score, the one of
    rank i (1 = lowest) is the best of C(i-1, n-1) of the C(K, n) subsets; equal scores share their weight.
    Source: Nakano et al. 2021, arXiv:2112.09332, app. I.
    Args: scores, values: (P, K), 1 <= n <= K. Raises ValueError otherwise.
    """
    pool = scores.shape[1]
    if scores.shape != values.shape or not 1 <= n <= pool:
        raise ValueError(f"best of {n} from pools of shapes {scores.shape} and {values.shape}")
    below = np.asarray(stats.rankdata(scores, method="min", axis=1) - 1, dtype=np.float64)
    upto = np.asarray(stats.rankdata(scores, method="max", axis=1), dtype=np.float64)
    log_all = _log_choose(np.asarray(float(pool)), n)
    share = np.exp(_log_choose(upto, n) - log_all) - np.exp(_log_choose(below, n) - log_all)
    weighted: Floats = (share / (upto - below) * values).sum(axis=1)
    return weighted


def disagreement(differences: Floats, weights: Floats, temperature: float) -> float:
    """Chance that two raters with logistic noise disagree on a pair: 2 p (1 - p), averaged over pairs.

    p = sum_s weights_s sigma(differences_s / temperature), s over the states a rater may be in.
    Args: differences in utility (S, N); weights (S,), which sum to 1.
    """
    p = weights @ special.expit(differences / temperature)
    return float(np.mean(2 * p * (1 - p)))


def noise_for_disagreement(differences: Floats, weights: Floats, target: float) -> float:
    """The logistic temperature at which two raters disagree on `target` of these pairs.

    Raises ValueError unless 0 < target < 1/2 and some temperature reaches it.
    """
    if not 0 < target < 0.5:
        raise ValueError(f"a disagreement rate of {target} is outside (0, 1/2)")
    floor, ceiling = np.log(1e-6), np.log(1e6)

    def excess(log_temperature: float) -> float:
        return disagreement(differences, weights, float(np.exp(log_temperature))) - target

    if excess(floor) > 0 or excess(ceiling) < 0:
        raise ValueError(f"no noise makes raters disagree on {target:.0%} of these pairs: too many are near ties")
    return float(np.exp(optimize.brentq(excess, floor, ceiling)))


def _log_choose(a: Floats, k: int) -> Floats:
    """log C(a, k), -inf where a < k."""
    safe = np.maximum(a, k)
    log: Floats = special.gammaln(safe + 1) - special.gammaln(k + 1) - special.gammaln(safe - k + 1)
    return np.where(a >= k, log, -np.inf)


def _finite(x: ArrayLike | Sequence[float]) -> Floats:
    values = np.asarray(x, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no number without data")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    return values
