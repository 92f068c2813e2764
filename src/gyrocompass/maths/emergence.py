"""Does a metric change smoothly with model size, or does it jump? Trends and thresholds fitted, and weighed by AICc.

x is log2(size), in doublings. Every curve is linear in all but one or two of its parameters, and these run over a
grid: a fit is least squares without iterations, so that the whole comparison is repeated on every resample of seeds.
`sizes` is (S,), increasing; `values` is (S, R): a size's values over R seeds, a seed's in one column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from . import clusters, stats
from .stats import Estimate, Floats

FEWEST_SIZES = 4
EXPONENTS: Floats = np.concatenate([-np.geomspace(0.05, 1.0, 16), np.geomspace(0.05, 1.0, 16)])
"""Of the power laws: no faster than size itself or its inverse. Those of losses are below 0.5 (Kaplan et al. 2020,
arXiv:2001.08361; Hoffmann et al. 2022, arXiv:2203.15556)."""
CENTRES, WIDTHS, STARTS, DRAWN = 33, 12, 48, 97
"""Grid points: a threshold's places and widths, the windows tried, and the points of a drawn curve."""
RESAMPLES = 500

Columns = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Family:
    """Curves of one form. `columns(x, at)` is (G, P, c): for each of G shapes the terms of the curve but for its
    constant, at P places. `parameters` counts all, the spread of the noise too."""

    name: str
    parameters: int
    threshold: bool
    columns: Columns


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


def _line(x: Floats, at: Floats) -> Floats:
    return at[None, :, None]


def _power(x: Floats, at: Floats) -> Floats:
    found: Floats = np.exp2(EXPONENTS[:, None] * (at - x[0]))[:, :, None]
    return found


def _step(x: Floats, at: Floats) -> Floats:
    edges = (x[1:] + x[:-1]) / 2
    return (at > edges[:, None]).astype(np.float64)[:, :, None]


def _logistic(x: Floats, at: Floats) -> Floats:
    span = x[-1] - x[0]
    centres, widths = np.linspace(x[0], x[-1], CENTRES), np.geomspace(span / 100, span / 2, WIDTHS)
    shapes: Floats = special.expit((at - centres[:, None, None]) / widths[:, None])
    return shapes.reshape(-1, len(at))[:, :, None]


def _broken(x: Floats, at: Floats) -> Floats:
    kinks = np.linspace(x[1], x[-2], CENTRES)
    bent = np.maximum(at - kinks[:, None], 0.0)
    return np.stack([np.broadcast_to(at, bent.shape), bent], axis=2)


FAMILIES = (
    Family("line", 3, False, _line),
    Family("power law", 4, False, _power),
    Family("step", 4, True, _step),
    Family("logistic", 5, True, _logistic),
    Family("broken line", 5, True, _broken),
)


def fits(sizes: ArrayLike, values: Floats) -> tuple[Fit, ...]:
    """The best curve of every family by least squares over all values, weighed by AICc, in the order of FAMILIES.

    AICc = N ln(RSS / N) + 2 k + 2 k (k + 1) / (N - k - 1), N = S R; weight = exp(-AICc / 2), made to add up to 1.
    Source: Burnham & Anderson 2002, ch. 2; the question: Schaeffer et al. 2023, arXiv:2304.15004.
    Raises ValueError for fewer than 4 sizes, too few seeds for AICc, or values that are all equal.
    """
    x, rows = _checked(sizes, values)
    designs = _designs(tuple(x))
    best = _best(designs, rows[None])
    places = np.linspace(x[0], x[-1], DRAWN)
    centre = float(rows.mean())
    found = []
    for design, one, weight in zip(designs, best, _weights(best)[:, 0], strict=True):
        drawn = design.at(x, int(one.shape[0]), places) @ one.coordinates[0] + centre
        curve = tuple(zip(np.exp2(places).tolist(), drawn.tolist(), strict=True))
        aicc, share, at = (float(numbers[0]) for numbers in (one.aicc, one.share, one.at))
        family = design.family
        found.append(Fit(family.name, family.threshold, aicc, float(weight), share, float(np.exp2(at)), curve))
    return tuple(found)


def jump(sizes: ArrayLike, values: Floats) -> Jump:
    """Thresholds against smooth trends. Raises ValueError as `fits` does."""
    x, rows = _checked(sizes, values)
    weight, share, trend, at = (float(numbers[0]) for numbers in _jumps(_designs(tuple(x)), rows[None]))
    return Jump(weight, share, trend, float(np.exp2(at)))


def excess(sizes: ArrayLike, values: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """`Jump.excess` with its interval from resampled seeds, every fit repeated on each; n counts seeds. The spread
    within sizes is that of all seeds throughout.

    Raises ValueError as `fits` does, or where there is one seed.
    """
    return _over_seeds(lambda found: found[0] * (found[1] - found[2]), sizes, values, seed, resamples)


def place(sizes: ArrayLike, values: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The size at which the likeliest threshold jumps, with its interval from resampled seeds, which reaches at least
    to the sizes on either side: between them nothing was seen."""
    found = _over_seeds(lambda found: found[3], sizes, values, seed, resamples)
    value, low, high = (float(np.exp2(end)) for end in found[:3])
    known = stats.finite(sizes)
    below, above = float(known[known <= value].max()), float(known[known >= value].min())
    return Estimate(value, min(low, below), max(high, above), found.n)


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


def _over_seeds(
    statistic: Callable[[Sequence[Floats]], Floats], sizes: ArrayLike, values: Floats, seed: int, resamples: int
) -> Estimate:
    """A statistic of `_jumps` with its interval, as `clusters.bootstrap` has it, all resamples at once."""
    x, rows = _checked(sizes, values)
    n = len(rows)
    if n < 2:
        raise ValueError("one seed has no spread to take an interval from")
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    found = statistic(_jumps(_designs(tuple(x)), rows[np.concatenate([np.arange(n)[None], drawn])]))
    return clusters.from_replicates(float(found[0]), found[1:], n, 0.95)


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


@dataclass(frozen=True)
class _Design:
    """A family over given sizes. `basis`, (G, S, c): orthonormal terms of each shape; a fit is its coordinates in it.
    `windows`, (G, K, c), and `whole`, (G, c), turn coordinates into the changes within K windows and over all sizes;
    `pieces`, (G, P, c), into those from piece to piece, whose sizes add up to all that a curve rises and falls.
    """

    family: Family
    basis: Floats
    windows: Floats
    whole: Floats
    pieces: Floats
    starts: Floats
    width: float

    def at(self, x: Floats, shape: int, places: Floats) -> Floats:
        """What turns the coordinates of a shape into the curve's values at these places, (P, c)."""
        found: Floats = _terms(self.family, x, places)[shape] @ np.linalg.inv(_triangle(self.family, x)[shape])
        return found


class _Best(NamedTuple):
    """A family's best shape for each of B samples of seeds: (B,), and its coordinates (B, c); `at` is log2."""

    shape: NDArray[np.intp]
    coordinates: Floats
    aicc: Floats
    share: Floats
    at: Floats


def _terms(family: Family, x: Floats, at: Floats) -> Floats:
    columns = family.columns(x, at)
    return np.concatenate([np.ones((*columns.shape[:2], 1)), columns], axis=2)


def _triangle(family: Family, x: Floats) -> Floats:
    return np.linalg.qr(_terms(family, x, x)).R


@lru_cache(maxsize=64)
def _designs(x: tuple[float, ...]) -> tuple[_Design, ...]:
    return tuple(_design(family, np.array(x)) for family in FAMILIES)


def _design(family: Family, x: Floats) -> _Design:
    basis, triangle = np.linalg.qr(_terms(family, x, x))
    inverse = np.linalg.inv(triangle)
    width = max(1.0, float(np.diff(x).max()))
    starts = np.linspace(x[0], max(x[0], x[-1] - width), STARTS)
    within = _terms(family, x, starts + width) - _terms(family, x, starts)
    first, last = (_terms(family, x, x[[end]])[:, 0] for end in (0, -1))
    whole = np.einsum("gc,gcd->gd", last - first, inverse)
    pieces = np.diff(_terms(family, x, np.linspace(x[0], x[-1], STARTS)), axis=1)
    return _Design(family, basis, within @ inverse, whole, pieces @ inverse, starts, width)


def _best(designs: Sequence[_Design], samples: Floats) -> list[_Best]:
    """The best shape of each family for each sample, (B, R, S). The first holds all seeds, and gives the spread
    within sizes for all: others repeat seeds, and would understate it. Raises ValueError if the first has no change.
    """
    means = samples.mean(axis=1)
    within = float(np.square(samples[0] - means[0]).sum())
    levels = means - means.mean(axis=1, keepdims=True)
    between = np.square(levels).sum(axis=1)
    least = 1e-24 * (1.0 + np.square(means).max())
    if between[0] <= least:
        raise ValueError("the values don't change with size")
    between = np.maximum(between, least)
    return [_best_of(design, levels, within, between, samples.shape[1]) for design in designs]


def _best_of(design: _Design, levels: Floats, within: float, between: Floats, seeds: int) -> _Best:
    every = np.arange(len(levels))
    coordinates = np.tensordot(levels, design.basis, (1, 1))
    left = between[:, None] - np.square(coordinates).sum(axis=2)
    shape = left.argmin(axis=1)
    best = coordinates[every, shape]
    n, k = seeds * levels.shape[1], design.family.parameters
    rss = within + seeds * np.maximum(left[every, shape], 1e-12 * between)
    aicc = n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    whole = np.einsum("bc,bc->b", design.whole[shape], best)
    along = np.einsum("bkc,bc->bk", design.windows[shape], best) * np.sign(whole)[:, None]
    steepest = along.max(axis=1)
    variation = np.abs(np.einsum("bkc,bc->bk", design.pieces[shape], best)).sum(axis=1)  # |whole| where it is monotone
    share = np.clip(steepest / np.maximum(np.maximum(variation, np.abs(whole)), 1e-150), 0.0, 1.0)
    tied = along >= (steepest - 1e-9 * np.abs(steepest))[:, None]
    starts = (tied * design.starts).sum(axis=1) / tied.sum(axis=1)
    return _Best(shape, best, aicc, share, starts + design.width / 2)


def _weights(best: Sequence[_Best]) -> Floats:
    """Akaike weights of families, (F, B)."""
    aicc = np.array([one.aicc for one in best])
    likelihood = np.exp(-0.5 * (aicc - aicc.min(axis=0)))
    found: Floats = likelihood / likelihood.sum(axis=0)
    return found


def _jumps(designs: Sequence[_Design], samples: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """For each sample, (B, R, S), what `Jump` holds, (B,) each; the place as log2."""
    best = _best(designs, samples)
    threshold = np.array([design.family.threshold for design in designs])
    weight = _weights(best)[threshold].sum(axis=0)
    likely, smooth = (
        [one for one, kind in zip(best, threshold, strict=True) if kind == wanted] for wanted in (True, False)
    )
    first = np.array([one.aicc for one in likely]).argmin(axis=0)
    at = np.array([one.at for one in likely])[first, np.arange(len(first))]
    return weight, _average(likely), _average(smooth), at


def _average(found: Sequence[_Best]) -> Floats:
    """The mean share by weight among these families alone, (B,)."""
    average: Floats = (_weights(found) * np.array([one.share for one in found])).sum(axis=0)
    return average
