"""Over-optimisation: where a gauge of intent peaked, and the forms in which it bends with d = sqrt(KL).

Source: Gao, Schulman & Hilton 2023, arXiv:2210.10760.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy import stats as distributions

from . import clusters, stats
from .clusters import Indices
from .stats import Estimate, Floats

Bools = NDArray[np.bool_]

LEAST_POINTS = 3
"""Points beside the reference that two parameters need to be contradicted."""
LEAST_SHARE = 0.01
"""Of the points' mean squared error: no point counts as more exact, so that none decides alone."""
AT_REFERENCE = 0.01
"""Share of the largest KL that the first point may have."""


class Fall(NamedTuple):
    """The row where values peaked; their means there and at the last row; and the first minus the second.

    `measured`, (P,): the prompts that those are measured on, which had no say in where the peak is. `starts`, (P,): for
    each prompt the peak in whose choice it had no say: `peak` for those, for the others the one that those chose.
    """

    peak: int
    height: float
    last: float
    drop: Estimate
    measured: Bools
    starts: Indices


def fall(values: Floats, groups: ArrayLike | None = None, among: int | None = None) -> Fall:
    """How far values fell from their highest row to their last, (K, P), the same P prompts in every row.

    The peak is chosen on every other group of prompts; heights and drop are those of the rest, so that choosing
    flatters neither. Where there is one row to choose from, all prompts are measured.
    Args: groups: what each prompt shares with others, (P,), as `clusters` names them; default: each is its own.
    among: the peak is one of the first `among` rows; default: all K.
    Raises ValueError for fewer than two groups, or a value that isn't finite.
    """
    known, names = stats.finite(values), _named(groups, values.shape[1])
    candidates = known[:among]
    measured = ~_every_other(names) if len(candidates) > 1 else np.ones(len(names), dtype=np.bool_)
    peak, other = (_highest(candidates[:, side]) for side in (~measured, measured))
    height, last = known[peak, measured], known[-1, measured]
    drop = clusters.mean(height - last, names[measured])
    return Fall(peak, float(height.mean()), float(last.mean()), drop, measured, np.where(measured, peak, other))


def _named(groups: ArrayLike | None, prompts: int) -> NDArray[np.generic]:
    return np.arange(prompts) if groups is None else np.asarray(groups)


def _highest(rows: Floats) -> int:
    return int(rows.sum(axis=1).argmax())


def _every_other(names: NDArray[np.generic]) -> Bools:
    """True for every other group's members, in the order in which groups come."""
    _, first, codes = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    even: Bools = order[codes] % 2 == 0
    return even


@dataclass(frozen=True, slots=True)
class Form:
    """R(d) = alpha d - beta bend(d): the change since the reference at d = sqrt(KL).

    `turn` gives d* from alpha and beta > 0, where R is highest; `top` R there, from alpha, beta and d*.
    """

    name: str
    bend: Callable[[Floats], Floats]
    turn: Callable[[Floats, Floats], Floats]
    top: Callable[[Floats, Floats, Floats], Floats]

    def __call__(self, d: Floats, alpha: float, beta: float) -> Floats:
        """R at each distance, root nats."""
        return alpha * d - beta * self.bend(d)

    def peak(self, alpha: Floats, beta: Floats) -> tuple[Floats, Floats]:
        """d* and R(d*) for each pair of parameters; both infinite where beta <= 0 and R has no top."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            d = np.where(beta > 0, self.turn(alpha, beta), np.inf)
            return d, np.where(np.isfinite(d), self.top(alpha, beta, d), np.inf)


BEST_OF_N = Form(
    "best-of-n",
    bend=np.square,
    turn=lambda alpha, beta: np.maximum(alpha, 0) / (2 * beta),
    top=lambda alpha, beta, d: alpha * d / 2,
)
"""d (alpha - beta d)."""

RL = Form(
    "rl",
    bend=lambda d: special.xlogy(d, d),
    turn=lambda alpha, beta: np.exp(alpha / beta - 1),
    top=lambda alpha, beta, d: beta * d,
)
"""d (alpha - beta log d); of DPO too: Rafailov et al. 2024, arXiv:2406.02900."""


class Fit(NamedTuple):
    """A form fitted to a curve. `peak` is d*, root nats; `height` R(d*); both may be infinite.

    `r_squared` is about the weighted mean of the `points` beside the reference: 1 is exact, 0 no better than that
    mean; NaN where all of them have one height. `reach` is the distance of the furthest point, root nats.
    """

    alpha: Estimate
    beta: Estimate
    peak: Estimate
    height: Estimate
    r_squared: float
    points: int
    reach: float

    @property
    def extrapolated(self) -> bool:
        """Whether d* lies beyond every point, where nothing was measured."""
        return bool(self.reach < self.peak.value < np.inf)


def fit(
    form: Form, kl_nats: Floats, values: Floats, groups: ArrayLike | None = None, *,
    seed: int = 0, resamples: int = 1000, level: float = 0.95,
) -> Fit:  # fmt: skip
    """A form's least-squares fit to values against the root of KL; the first row is the reference, d = 0, R = 0.

    Each point is weighted by 1 / the squared clustered standard error of its change. Intervals are percentiles over
    resampled groups of prompts, set apart as t on G - 1 degrees of freedom asks (Hesterberg 2015, arXiv:1411.5279);
    means, KL and fit are made anew for each. They tell of the prompts' chance, not of that of another training run.
    Args: kl_nats, values: (K, P), one row a point, the same P prompts in each. groups: as of `fall`.
    Raises ValueError for different shapes, fewer than two groups, a value that isn't finite, a first row that has
    left the reference, or fewer than three other points at distances that tell alpha from beta.
    """
    kl, change = _away(kl_nats, values)
    codes, n = clusters.grouped(_named(groups, kl.shape[1]), kl.shape[1])
    if n < 2:
        raise ValueError("all prompts are of one group, which tells nothing of chance")
    weights = _weights(change, codes, n)
    d, y = _points(kl, change)
    alpha, beta = _solve(form, d, y, weights)
    if not np.isfinite(alpha[0]):
        raise ValueError("the points lie at one distance, which tells nothing of a bend")
    resampled = _solve(form, *_points(kl, change, _draws(codes, n, resamples, seed)), weights)
    solved = np.isfinite(resampled[0])
    if 2 * solved.sum() < resamples:
        raise ValueError("the points lie at distances too close to one another to tell of a bend")
    drawn_alpha, drawn_beta = (x[solved] for x in resampled)
    whole = (alpha, beta, *form.peak(alpha, beta))
    drawn = (drawn_alpha, drawn_beta, *form.peak(drawn_alpha, drawn_beta))
    slope, bend, peak, height = (_estimate(float(x[0]), draws, n, level) for x, draws in zip(whole, drawn, strict=True))
    quality = _r_squared(y[:, 0], form(d[:, 0], slope.value, bend.value), weights)
    return Fit(slope, bend, peak, height, quality, len(y), float(d.max()))


def _away(kl_nats: Floats, values: Floats) -> tuple[Floats, Floats]:
    """KLs of the rows that are away from the reference, and their changes since the first row. Raises as `fit`."""
    if kl_nats.shape != values.shape or kl_nats.ndim != 2 or kl_nats.shape[1] < 2:
        raise ValueError(f"no curve in KLs and values of shapes {kl_nats.shape} and {values.shape}")
    kl, change = stats.finite(kl_nats), stats.finite(values - values[0])
    means = kl.mean(axis=1)
    if means[0] > AT_REFERENCE * means.max():
        raise ValueError(f"the first point has left the reference: its KL is {means[0]:.2g} nats")
    away = means > 0
    if away.sum() < LEAST_POINTS:
        raise ValueError(f"{away.sum()} points beside the reference are too few for two parameters")
    return kl[away], change[away]


def _weights(change: Floats, codes: Indices, n: int) -> Floats:
    """1 / squared standard error of each row's mean, (K,), bounded; all alike where there is no error at all."""
    sums = np.zeros((n, len(change)))
    np.add.at(sums, codes, (change - change.mean(axis=1, keepdims=True)).T)
    squared = n / (n - 1) * (sums**2).sum(axis=0) / change.shape[1] ** 2
    if not squared.any():
        return np.ones(len(squared))
    weights: Floats = 1 / np.maximum(squared, LEAST_SHARE * squared.mean())
    return weights


def _draws(codes: Indices, n: int, resamples: int, seed: int) -> Floats:
    """How often each prompt is drawn in each resample of the n groups, as shares, (P, resamples)."""
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).T[codes]
    shares: Floats = counts / counts.sum(axis=0)
    return shares


def _points(kl: Floats, change: Floats, shares: Floats | None = None) -> tuple[Floats, Floats]:
    """Distances and changes of all points in each resample, (K, resamples); without shares the whole, (K, 1)."""
    if shares is None:
        shares = np.full((kl.shape[1], 1), 1 / kl.shape[1])
    return np.sqrt(np.maximum(kl @ shares, 0)), change @ shares


def _solve(form: Form, d: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """alpha and beta of each column, by Gram-Schmidt; NaN where the columns of the design are one."""
    scaled = np.sqrt(weights)[:, None]
    straight, bent, y = scaled * d, -scaled * form.bend(d), scaled * y
    with np.errstate(divide="ignore", invalid="ignore"):
        size = (straight**2).sum(0)
        share = (straight * bent).sum(0) / size
        rest = bent - share * straight
        left = (rest**2).sum(0)
        beta = np.where(left > 1e-12 * (bent**2).sum(0), (rest * y).sum(0) / left, np.nan)
        return (straight * y).sum(0) / size - share * beta, beta


def _r_squared(y: Floats, fitted: Floats, weights: Floats) -> float:
    total = float(weights @ (y - np.average(y, weights=weights)) ** 2)
    return 1 - float(weights @ (y - fitted) ** 2) / total if total > 0 else float("nan")


def _estimate(value: float, draws: Floats, n: int, level: float) -> Estimate:
    """Percentiles of draws that may be infinite: no two are averaged."""
    z = np.sqrt(n / (n - 1)) * distributions.t.ppf((1 + level) / 2, n - 1)
    places = np.round(distributions.norm.cdf([-z, z]) * (len(draws) - 1)).astype(int)
    low, high = (float(x) for x in np.sort(draws)[places])
    return Estimate(value, min(low, value), max(high, value), n)
