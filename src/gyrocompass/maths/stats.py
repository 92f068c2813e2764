"""Estimates that carry their interval and their n. Intervals are 95% unless `level` says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

Floats = NDArray[np.float64]
T = TypeVar("T")


class Estimate(NamedTuple):
    """A number with its interval and the count it rests on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        places = 3 if 0 < self.high - self.low < 0.02 else 2
        value, low, high = (f"{number:z.{places}f}" for number in self[:3])
        return f"{value} [{low}, {high}] (n={self.n:,})"


def known(measure: Callable[..., T], *of: Any) -> T | None:
    """What is measured of these; None where there is nothing to measure, which raises ValueError."""
    try:
        return measure(*of)
    except ValueError:
        return None


def mean(x: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean with Student's t interval, unbounded for n = 1. Raises ValueError if x is empty or not finite."""
    values = finite(x)
    n, centre = len(values), float(values.mean())
    if n == 1:
        return Estimate(centre, -np.inf, np.inf, 1)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half, n)


def wilson(share: float, n: int | float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share seen in n trials; n need not be whole. Source: Wilson 1927."""
    z = float(stats.norm.ppf((1 + level) / 2))
    centre = share + z**2 / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return (low if share > 0 else 0.0), (high if share < 1 else 1.0)


def proportion(successes: int, n: int, level: float = 0.95) -> Estimate:
    """Wilson's score interval for a proportion. Raises ValueError if n < 1 or successes outside [0, n]."""
    if n < 1:
        raise ValueError("a proportion of no trials is not a number")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    return Estimate(successes / n, *wilson(successes / n, n, level), n)


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of a - b over the same items, with its interval. Raises ValueError if the lengths differ."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"paired values differ in shape: {x.shape} and {y.shape}")
    return mean(x - y, level)


def bounded(
    values: ArrayLike, span: tuple[float, float], estimate: Callable[..., Estimate], *along: ArrayLike
) -> Estimate:
    """An estimate that owns up to abstentions, the NaN among the values, (N,).

    The value rests on those that aren't NaN. The interval reaches from the low end were every NaN span[0] to the
    high end were every one span[1], for an estimate that grows with its values; n counts all.
    Source: worst-case bounds, Manski 1989.
    Args: `estimate` is called with the values and with every array `along` them (clusters, say), (N,) each.
    Raises ValueError if every value is NaN, or none is there.
    """
    x = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(x)
    if not known.any():
        raise ValueError("no number without data: every value is an abstention" if x.size else "no number without data")
    found = estimate(x[known], *(np.asarray(a)[known] for a in along))
    if known.all():
        return found
    worst, best = (estimate(np.where(known, x, end), *along) for end in span)
    return Estimate(found.value, min(worst.low, found.value), max(best.high, found.value), worst.n)


def corrected_proportion(
    positives: int, n: int, sensitivity: tuple[int, int], specificity: tuple[int, int], level: float = 0.95
) -> Estimate:
    """The true rate behind a judge's rate of positives, given how often people found the judge right.

    (rate + specificity - 1) / (sensitivity + specificity - 1), clipped to [0, 1]. The interval carries the error
    of all three rates.
    Source: Rogan & Gladen 1978; interval of Lang & Reiczigel 2014, Preventive Veterinary Medicine 113.
    Args: sensitivity and specificity as counts (right, of): of the cases that people call positive, and negative.
    Raises ValueError if the judge is no better than chance (sensitivity + specificity <= 1), or a count is off.
    """
    pairs = ((positives, n), sensitivity, specificity)
    rate, se, sp = (proportion(*pair).value for pair in pairs)
    if se + sp <= 1:
        raise ValueError(f"a judge of sensitivity {se:.2f} and specificity {sp:.2f} is no better than chance")
    value = min(max((rate + sp - 1) / (se + sp - 1), 0.0), 1.0)

    z = float(stats.norm.ppf((1 + level) / 2))
    sizes = np.array([n, sensitivity[1], specificity[1]]) + np.array([z**2, 2, 2])
    rate, se, sp = (np.array([p[0] for p in pairs]) + np.array([z**2 / 2, 1, 1])) / sizes
    skill = se + sp - 1
    if skill <= 0:
        return Estimate(value, 0.0, 1.0, n)
    centre = (rate + sp - 1) / skill
    variances = np.array([rate * (1 - rate), se * (1 - se), sp * (1 - sp)]) / sizes
    shift = 2 * z**2 * (centre * variances[1] - (1 - centre) * variances[2])
    half = z * np.sqrt(variances @ np.array([1, centre**2, (1 - centre) ** 2])) / skill
    low, high = np.clip([centre + shift - half, centre + shift + half], 0, 1)
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def kappa(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """Cohen's kappa: agreement of two labellings beyond chance, as a share of what chance leaves open.

    The interval is Wilson's for the agreement, at the sample size (at most N) that gives kappa its large-sample
    variance, so that labellings which always agree still have one.
    Source: Cohen 1960; variance of Fleiss, Cohen & Everitt 1969, as the influence of each case.
    Raises ValueError if the lengths differ, or both give one and the same label throughout.
    """
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.size == 0:
        raise ValueError(f"no agreement between labels of shapes {x.shape} and {y.shape}")
    n = len(x)
    labels, codes = np.unique(np.concatenate([x, y]), return_inverse=True)
    if len(labels) == 1:
        raise ValueError("kappa is not a number where all labels are the same")
    first, second = codes[:n], codes[n:]
    row, column = (np.bincount(c, minlength=len(labels)) / n for c in (first, second))
    agree = first == second
    seen, chance = float(agree.mean()), float(row @ column)
    value = (seen - chance) / (1 - chance)
    influence = agree - seen - (1 - value) * (column[first] + row[second] - 2 * chance)
    spread = float(np.mean(influence**2))
    trials = n if seen in (0, 1) else float(np.clip(n * seen * (1 - seen) / max(spread, 1e-12), 1, n))
    low, high = ((end - chance) / (1 - chance) for end in wilson(seen, trials, level))
    return Estimate(value, max(low, -1.0), high, n)


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """Exact two-sided p for equal rates of two yes/no answers to the same items; 1 if they never differ.

    Source: McNemar 1947, as the binomial test of the discordant pairs. Raises ValueError if the lengths differ.
    """
    x, y = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if x.shape != y.shape or x.size == 0:
        raise ValueError(f"no pairs among answers of shapes {x.shape} and {y.shape}")
    only_a, only_b = int((x & ~y).sum()), int((y & ~x).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p values, in the order given, (N,): those below alpha hold together at level alpha.

    Source: Holm 1979. Raises ValueError if none are given, or one is outside [0, 1].
    """
    p = finite(p_values)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("a p value is outside [0, 1]")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def minimum_detectable_effect(sd: float, n: int, *, power: float = 0.8, level: float = 0.95) -> float:
    """The mean that a two-sided t test of n values finds with this power, in units of sd; infinite for n = 1.

    For a rate p, sd is sqrt(p (1 - p)); for paired yes/no answers that differ on a share d of items, sqrt(d).
    Source: Cohen 1988; solved on the noncentral t distribution.
    Raises ValueError if n < 1, sd < 0, or power is outside (1 - level, 1).
    """
    if n < 1 or not sd >= 0 or not 1 - level < power < 1:
        raise ValueError(f"no detectable effect for n = {n}, sd = {sd}, power = {power}")
    if n == 1:
        return float("inf")
    critical = stats.t.ppf((1 + level) / 2, n - 1)
    spread = np.sqrt(stats.chi2.ppf((1 + power) / 2, n - 1) / (n - 1))
    ceiling = critical * spread + stats.norm.ppf((1 + power) / 2)
    shift = optimize.brentq(lambda d: stats.nct.sf(critical, n - 1, d) - power, 0, ceiling)
    return float(shift * sd / np.sqrt(n))


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


def finite(x: ArrayLike | Sequence[float]) -> Floats:
    """The values as an array. Raises ValueError if there are none, or one is NaN or infinite."""
    values = np.asarray(x, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no number without data")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    return values


def _log_choose(a: Floats, k: int) -> Floats:
    """log C(a, k), -inf where a < k."""
    safe = np.maximum(a, k)
    log: Floats = special.gammaln(safe + 1) - special.gammaln(k + 1) - special.gammaln(safe - k + 1)
    return np.where(a >= k, log, -np.inf)
