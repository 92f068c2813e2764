"""Does a metric change smoothly with model size, or does it jump? Trends and thresholds fitted, and weighed by AICc.

    for each family of curves, the trends and the thresholds:
        1  its best curve by least squares, and the curve's AICc
        2  the share of all that the curve rises and falls that lies within its steepest window
    3  weigh the families by AICc; W = the thresholds' weight together
       excess = W (share of the thresholds - share of the trends), shares averaged by weight on either side
    interval: the same on resamples of the seeds

x is log2(size), in doublings. The shapes of a family (see trends.py) are a grid, and the rest of a curve is linear: a
fit takes no iterations, so that all of it is repeated on every resample.
`sizes` is (S,), increasing; `values` is (S, R): a size's values over R seeds, a seed's in one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import clusters, stats
from .stats import Estimate, Floats
from .trends import FAMILIES, Family

FEWEST_SIZES = 4
WINDOWS = 48
"""How many are tried, from end to end."""
RESAMPLES = 500


class Fit(NamedTuple):
    """The best curve of a family. `weight` is its Akaike weight among all families.

    `share` is the part of all that the curve rises and falls that lies within the steepest window (see `window`);
    `at` is that window's middle, as a size; `curve` are pairs of size and value.
    """

    family: str
    threshold: bool
    aicc: float
    weight: float
    share: float
    at: float
    curve: tuple[tuple[float, float], ...]


class Jump(NamedTuple):
    """What the families say together: `weight` of the thresholds; the steepest window's share of the change by the
    thresholds (`share`) and by the smooth trends (`trend`), each an average by weight; `at`, the jump's size."""

    weight: float
    share: float
    trend: float
    at: float

    @property
    def excess(self) -> float:
        """The share of the change that falls within the steepest window beyond what a smooth trend puts there."""
        return self.weight * (self.share - self.trend)


def fits(sizes: ArrayLike, values: Floats) -> tuple[Fit, ...]:
    """The best curve of every family by least squares over all values, weighed by AICc, in the order of FAMILIES.

    AICc = N ln(RSS / N) + 2 k + 2 k (k + 1) / (N - k - 1), N = S R; weight = exp(-AICc / 2), made to add up to 1.
    Source: Burnham & Anderson 2002, ch. 2; the question: Schaeffer et al. 2023, arXiv:2304.15004.
    Raises ValueError for fewer than 4 sizes, too few seeds for AICc, or values that are all equal.
    """
    x, rows = _checked(sizes, values)
    best = _best(x, rows[None])
    places, level = np.exp2(np.sort(_windows(x), axis=None)).tolist(), float(rows.mean())
    return tuple(
        Fit(
            one.family.name, one.family.threshold, float(one.aicc[0]), float(weight), float(one.share[0]),
            float(np.exp2(one.at[0])), tuple(zip(places, (level + one.curve[0]).tolist(), strict=True)),
        )
        for one, weight in zip(best, _weights(best)[:, 0], strict=True)
    )  # fmt: skip


def jump(sizes: ArrayLike, values: Floats) -> Jump:
    """Thresholds against smooth trends. Raises ValueError as `fits` does."""
    x, rows = _checked(sizes, values)
    weight, share, trend, at = (float(numbers[0]) for numbers in _jumps(x, rows[None]))
    return Jump(weight, share, trend, float(np.exp2(at)))


def excess(sizes: ArrayLike, values: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """`Jump.excess` with its interval from resampled seeds, every fit repeated on each; n counts seeds. The spread
    within sizes is that of all seeds throughout.

    Raises ValueError as `fits` does, or where there is one seed.
    """
    return _interval(_excesses(sizes, values, seed, resamples), values)


def added(sizes: ArrayLike, values: Floats, to: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """By how much the excess of `values` exceeds that of another metric of the same models, `to`, (S, R) both.

    The interval is that of the difference: every resample takes the same seeds of both. Raises ValueError as `excess`.
    """
    one, other = (_excesses(sizes, metric, seed, resamples) for metric in (values, to))
    return _interval(one - other, values)


def place(sizes: ArrayLike, values: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The size at which the likeliest threshold jumps, with its interval from resampled seeds, which reaches at least
    to the sizes on either side: between them nothing was seen."""
    at = _interval(_resampled(sizes, values, seed, resamples)[3], values)
    value, low, high = (float(np.exp2(end)) for end in at[:3])
    known = stats.finite(sizes)
    below, above = float(known[known <= value].max()), float(known[known >= value].min())
    return Estimate(value, min(low, below), max(high, above), at.n)


def change(sizes: ArrayLike, values: Floats) -> Estimate:
    """The change from the smallest size to the largest along each seed's straight line, with t over seeds."""
    x, rows = _checked(sizes, values)
    centred = x - x.mean()
    return stats.mean(rows @ centred / (centred @ centred) * (x[-1] - x[0]))


def span(sizes: ArrayLike) -> float:
    """The doublings from the smallest size to the largest."""
    return float(np.ptp(np.log2(stats.finite(sizes))))


def window(sizes: ArrayLike) -> float:
    """The doublings within which a jump is looked for: one, or the widest gap between neighbours if that is wider."""
    return max(1.0, float(np.diff(np.log2(stats.finite(sizes))).max()))


def _checked(sizes: ArrayLike, values: Floats) -> tuple[Floats, Floats]:
    """x (S,), and the values with a row per seed, (R, S)."""
    x = np.log2(stats.finite(sizes))
    if len(x) < FEWEST_SIZES or (np.diff(x) <= 0).any():
        raise ValueError(f"{len(x)} sizes; a trend and a threshold need at least {FEWEST_SIZES}, in increasing order")
    if values.ndim != 2 or len(values) != len(x) or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape} for {len(x)} sizes, or one that is not finite")
    most = max(family.parameters for family in FAMILIES)
    if values.size <= most + 1:
        raise ValueError(f"{values.size} values are too few for AICc with {most} parameters")
    return x, values.T


class _Best(NamedTuple):
    """A family's best curve on each of B samples of seeds, (B,) each; `at` is log2. `curve` is (B, 2 WINDOWS): what it
    adds to the sample's mean at the ends of all windows, from the first to the last."""

    family: Family
    aicc: Floats
    curve: Floats
    share: Floats
    at: Floats


def _jumps(x: Floats, samples: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """For each sample, (B, R, S), what `Jump` holds, (B,) each; the place as log2."""
    best = _best(x, samples)
    smooth, sudden = ([one for one in best if one.family.threshold == kind] for kind in (False, True))
    weight = _weights(best)[[one.family.threshold for one in best]].sum(axis=0)
    likeliest = np.argmin([one.aicc for one in sudden], axis=0)
    at = np.array([one.at for one in sudden])[likeliest, np.arange(len(likeliest))]
    return weight, _average(sudden), _average(smooth), at


def _best(x: Floats, samples: Floats) -> list[_Best]:
    """The best curve of each family on each sample, (B, R, S). The first holds all seeds, and gives the spread
    within sizes for all: others repeat seeds, and would understate it. Raises ValueError if the first has no change.
    """
    means = samples.mean(axis=1)
    within = float(np.square(samples[0] - means[0]).sum())
    levels = means - means.mean(axis=1, keepdims=True)
    least = 1e-24 * (1.0 + np.square(means).max())
    if np.square(levels[0]).sum() <= least:
        raise ValueError("the values don't change with size")
    return [_best_of(family, x, levels, within, samples.shape[1], least) for family in FAMILIES]


def _best_of(family: Family, x: Floats, levels: Floats, within: float, seeds: int, least: float) -> _Best:
    basis, drawn = _shapes(family, tuple(x))
    # 1. Least squares for every shape; the best one's AICc. No curve is taken to leave less than rounding does.
    coordinates = np.tensordot(levels, basis, (1, 1))
    between = np.maximum(np.square(levels).sum(axis=1), least)
    left = between[:, None] - np.square(coordinates).sum(axis=2)
    every, shape = np.arange(len(levels)), left.argmin(axis=1)
    rss = within + seeds * np.maximum(left[every, shape], 1e-12 * between)
    n, k = seeds * levels.shape[1], family.parameters
    aicc = n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    # 2. Its course, and how much of that lies in one window.
    curve = np.einsum("bpc,bc->bp", drawn[shape], coordinates[every, shape])
    return _Best(family, aicc, *_steepest(curve, _windows(x)))


@lru_cache(maxsize=256)
def _shapes(family: Family, x: tuple[float, ...]) -> tuple[Floats, Floats]:
    """A family's G shapes over these sizes, as orthonormal terms, (G, S, c): a fit is its coordinates in them. And what
    turns coordinates into the curve's values at the ends of all windows, (G, 2 WINDOWS, c)."""
    known = np.array(x)
    basis, triangle = np.linalg.qr(family.terms(known, known))
    return basis, family.terms(known, _windows(known).ravel()) @ np.linalg.inv(triangle)


def _windows(x: Floats) -> Floats:
    """Where each window that is tried starts and where it ends, (2, WINDOWS), from the smallest size to the largest."""
    width = window(np.exp2(x))
    starts = np.linspace(x[0], max(x[0], x[-1] - width), WINDOWS)
    return np.stack([starts, np.minimum(starts + width, x[-1])])


def _steepest(curve: Floats, windows: Floats) -> tuple[Floats, Floats, Floats]:
    """Curves known at the starts and at the ends of windows, (B, 2 WINDOWS), in order of place; the share of all that
    each rises and falls that lies within its steepest window, and the middle of that window, (B,) both."""
    starts, ends = np.split(curve, 2, axis=1)
    curve = curve[:, np.argsort(windows, axis=None)]
    risen = (ends - starts) * np.sign(curve[:, -1:] - curve[:, :1])
    steepest = risen.max(axis=1)
    variation = np.abs(np.diff(curve)).sum(axis=1)
    share = np.clip(steepest / np.maximum(variation, 1e-150), 0.0, 1.0)
    tied = risen >= (steepest - 1e-9 * np.abs(steepest))[:, None]
    return curve, share, (tied * windows.mean(axis=0)).sum(axis=1) / tied.sum(axis=1)


def _weights(best: Sequence[_Best]) -> Floats:
    """Akaike weights of families, (F, B)."""
    aicc = np.array([one.aicc for one in best])
    likelihood = np.exp(-0.5 * (aicc - aicc.min(axis=0)))
    found: Floats = likelihood / likelihood.sum(axis=0)
    return found


def _average(best: Sequence[_Best]) -> Floats:
    """The mean share by weight among these families alone, (B,)."""
    average: Floats = (_weights(best) * np.array([one.share for one in best])).sum(axis=0)
    return average


def _excesses(sizes: ArrayLike, values: Floats, seed: int, resamples: int) -> Floats:
    weight, share, trend, _ = _resampled(sizes, values, seed, resamples)
    return weight * (share - trend)


def _resampled(sizes: ArrayLike, values: Floats, seed: int, resamples: int) -> tuple[Floats, Floats, Floats, Floats]:
    """What `_jumps` finds on the seeds as they are, first, and on resamples of them, (1 + resamples,) each."""
    x, rows = _checked(sizes, values)
    n = len(rows)
    if n < 2:
        raise ValueError("one seed has no spread to take an interval from")
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    return _jumps(x, rows[np.concatenate([np.arange(n)[None], drawn])])


def _interval(found: Floats, values: Floats) -> Estimate:
    """A number on the seeds as they are, and on resamples, with the interval of `clusters.bootstrap`."""
    return clusters.from_replicates(float(found[0]), found[1:], values.shape[1], 0.95)
