"""Estimates over cases that come in clusters. Cases that share a question aren't independent; clusters are.

Every `n` here is the number of clusters G. `clusters` names each case's cluster, (N,), as text or numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions

from . import stats
from .stats import Estimate, Floats

Indices = NDArray[np.intp]
Statistic = Callable[[Floats], float]


def mean(x: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean with its clustered standard error and t on G - 1 degrees of freedom; unbounded for G = 1.

    Equals `stats.mean` if every cluster holds one case. Source: Liang & Zeger 1986, with G / (G - 1).
    Raises ValueError if x is empty or not finite, or the lengths differ.
    """
    values = stats.finite(x)
    centre = float(values.mean())
    return from_pulls(centre, (values - centre) / len(values), clusters, level)


def from_pulls(
    value: float, pulls: ArrayLike, clusters: ArrayLike, level: float = 0.95, groups: int | None = None
) -> Estimate:
    """A number with its interval from how far each case pulls it from its value, (N,), summing to 0: the delta method.

    The error is the root of the summed squares of the clusters' pulls, with t on G - 1 degrees of freedom; unbounded
    for G = 1. `groups` is G where only some of the clusters bear on the value and the others on its scale.
    Source: Liang & Zeger 1986, with G / (G - 1).
    Raises ValueError if there are no pulls, or the lengths differ.
    """
    moved = stats.finite(pulls)
    codes, found = grouped(clusters, len(moved))
    groups = found if groups is None else groups
    if groups == 1:
        return Estimate(value, -np.inf, np.inf, 1)
    sums = np.bincount(codes, moved)
    quantile = float(distributions.t.ppf((1 + level) / 2, groups - 1))
    half = quantile * float(np.sqrt(groups / (groups - 1) * (sums @ sums)))
    return Estimate(value, value - half, value + half, groups)


def proportion(x: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> Estimate:
    """Share of 1s among 0s and 1s: Wilson's interval at the effective sample size, between 1 and N.

    That is N over the design effect, times the squared ratio of t at N - 1 and at G - 1 degrees of freedom; G if
    all values are equal. Equals `stats.proportion` if every cluster holds one case. Values between 0 and 1 count
    in part, and the interval is then too wide rather than too narrow.
    Source: Korn & Graubard 1998, with Wilson's interval.
    Raises ValueError if x is empty or outside [0, 1], or the lengths differ.
    """
    values = stats.finite(x)
    if values.min() < 0 or values.max() > 1:
        raise ValueError("a value is outside [0, 1]")
    codes, groups = grouped(clusters, len(values))
    share = float(values.mean())
    alone = np.sqrt(share * (1 - share) / max(len(values) - 1, 1))
    size = _effective_size(values, codes, groups, alone, level)
    return Estimate(share, *stats.wilson(share, size, level), groups)


def gap(x: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of differences of yes and no, each in [-1, 1]: an interval that has width where no two differ.

    One is added to the changes in either direction, at the effective sample size of `proportion`. Differences that
    aren't whole count in part. Source: Bonett & Price 2012, Statistical Methods in Medical Research 21, adjusted Wald.
    Raises ValueError if x is empty or outside [-1, 1], or the lengths differ.
    """
    values = stats.finite(x)
    if np.abs(values).max() > 1:
        raise ValueError("a difference is outside [-1, 1]")
    codes, groups = grouped(clusters, len(values))
    up, down = float(np.maximum(values, 0).mean()), float(np.maximum(-values, 0).mean())
    alone = np.sqrt((up + down - (up - down) ** 2) / max(len(values) - 1, 1))
    size = _effective_size(values, codes, groups, alone, level)
    more, less = (size * up + 1) / (size + 2), (size * down + 1) / (size + 2)
    half = float(distributions.norm.ppf((1 + level) / 2)) * np.sqrt((more + less - (more - less) ** 2) / (size + 2))
    low, high = more - less - half, more - less + half
    return Estimate(up - down, max(-1.0, min(low, up - down)), min(1.0, max(high, up - down)), groups)


def difference(a: ArrayLike, b: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of a - b over the same cases, clustered. Raises ValueError if the lengths differ."""
    return mean(_paired(a, b), clusters, level)


def p_value(a: ArrayLike, b: ArrayLike, clusters: ArrayLike) -> float:
    """Two-sided p for a mean difference of zero over the same cases: clustered t on G - 1 degrees of freedom.

    Differences without spread leave t nothing to go by; then it is the sign test's 2^(1 - G), and 1 if all are 0.
    Raises ValueError if the lengths differ.
    """
    values = stats.finite(_paired(a, b))
    codes, groups = grouped(clusters, len(values))
    if not values.any():
        return 1.0
    error = _standard_error(values, codes, groups) if groups > 1 else 0.0
    if error <= 1e-12 * np.abs(values).max():
        return float(2.0 ** (1 - groups)) if values.mean() else 1.0
    return float(2 * distributions.t.sf(abs(values.mean()) / error, groups - 1))


def bootstrap(
    rows: Floats,
    clusters: ArrayLike,
    statistic: Statistic,
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """A statistic of the rows, (N, k), with its interval from resampled clusters; unbounded for G = 1.

    Percentiles, set apart as t on G - 1 degrees of freedom asks (Hesterberg 2015, arXiv:1411.5279, 'expanded
    percentile') and on either side of the value's own percentile instead of the median. That is half of Efron's 1987
    bias correction: right where only resampling biases the statistic, as with a debiased calibration error.
    Resamples on which the statistic is undefined are left out.
    Raises ValueError if the statistic is undefined on the rows or on more than half of the resamples.
    """
    codes, groups = grouped(clusters, len(rows))
    value = float(stats.finite([statistic(rows)])[0])
    draws = _draws(codes, groups, lambda chosen: statistic(rows[chosen]), seed, resamples)
    return from_replicates(value, draws, groups, level)


def bootstrap_difference(
    rows_a: Floats, rows_b: Floats, clusters: ArrayLike, statistic: Statistic, *,
    seed: int = 0, resamples: int = 1000, level: float = 0.95,
) -> tuple[Estimate, float]:  # fmt: skip
    """statistic(rows_b) - statistic(rows_a) on the same resampled clusters, and the two-sided p for zero.

    Both have the same cases in the same order, (N, k). The interval is that of `bootstrap`; p is one minus the level
    at which it comes to touch zero, so the two agree. Raises ValueError as `bootstrap` does.
    """
    if len(rows_a) != len(rows_b):
        raise ValueError(f"paired rows differ in number: {len(rows_a)} and {len(rows_b)}")
    codes, groups = grouped(clusters, len(rows_a))

    def gap(chosen: Indices | slice) -> float:
        return statistic(rows_b[chosen]) - statistic(rows_a[chosen])

    value = float(stats.finite([gap(slice(None))])[0])
    draws = _draws(codes, groups, gap, seed, resamples)
    if groups == 1 or not draws.any():
        return from_replicates(value, draws, groups, level), 1.0
    z = (_z_below(draws, value) - _z_below(draws, 0.0)) / np.sqrt(groups / (groups - 1))
    return from_replicates(value, draws, groups, level), float(2 * distributions.t.sf(abs(z), groups - 1))


def grouped(clusters: ArrayLike, n: int) -> tuple[Indices, int]:
    """Each case's cluster as a number from 0, (N,), and the number of clusters. Raises ValueError unless N = n > 0."""
    names = np.asarray(clusters)
    if names.shape != (n,) or n == 0:
        raise ValueError(f"{n} cases with clusters of shape {names.shape}")
    found, codes = np.unique(names, return_inverse=True)
    return codes, len(found)


def _effective_size(values: Floats, codes: Indices, groups: int, alone: float, level: float) -> float:
    """N over the design effect against a standard error `alone` of independent cases, between 1 and N."""
    n = len(values)
    if groups == 1 or values.min() == values.max() or alone == 0:
        return float(groups)
    quantiles = distributions.t.ppf((1 + level) / 2, np.array([n - 1, groups - 1]))
    widening = max(_standard_error(values, codes, groups) / alone, 1 / n) * quantiles[1] / quantiles[0]
    return float(np.clip(n / widening**2, 1, n))


def _standard_error(values: Floats, codes: Indices, groups: int) -> float:
    sums = np.bincount(codes, values - values.mean())
    return float(np.sqrt(groups / (groups - 1) * (sums @ sums))) / len(values)


def _paired(a: ArrayLike, b: ArrayLike) -> Floats:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"paired values differ in shape: {x.shape} and {y.shape}")
    return x - y


def _draws(codes: Indices, groups: int, value: Callable[[Indices], float], seed: int, resamples: int) -> Floats:
    """The statistic on each resample of clusters on which it is defined, given the rows chosen."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = rng.integers(groups, size=groups)
        ends = np.cumsum(sizes[drawn])
        offsets = starts[drawn] - ends + sizes[drawn]
        try:
            found.append(value(order[np.repeat(offsets, sizes[drawn]) + np.arange(ends[-1])]))
        except ValueError:
            found.append(np.nan)
    draws = np.array(found, dtype=np.float64)
    defined = np.isfinite(draws)
    if 2 * defined.sum() < resamples:
        raise ValueError(f"the statistic is undefined on {resamples - defined.sum()} of {resamples} resamples")
    return draws[defined]


def from_replicates(value: float, draws: Floats, groups: int, level: float) -> Estimate:
    """A statistic with the interval that `bootstrap` takes from its replicates; unbounded for a single group."""
    if groups == 1:
        return Estimate(value, -np.inf, np.inf, 1)
    z = np.sqrt(groups / (groups - 1)) * distributions.t.ppf((1 + level) / 2, groups - 1)
    low, high = np.quantile(draws, distributions.norm.cdf(_z_below(draws, value) + np.array([-z, z])))
    return Estimate(value, min(float(low), value), max(float(high), value), groups)


def _z_below(draws: Floats, point: float) -> float:
    """The normal quantile of the share of draws below a point, those at it counted half."""
    share = np.mean(draws < point) + np.mean(draws == point) / 2
    least = 1 / (len(draws) + 1)
    return float(distributions.norm.ppf(np.clip(share, least, 1 - least)))
