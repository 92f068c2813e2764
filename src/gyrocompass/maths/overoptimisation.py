"""Over-optimisation: where a gauge of intent peaked, and the forms in which it bends with d = sqrt(KL).

Source: Gao, Schulman & Hilton 2023, arXiv:2210.10760.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy import stats as distributions

from . import stats
from .stats import Estimate, Floats

CHOSEN, MEASURED = slice(0, None, 2), slice(1, None, 2)
"""The prompts that a peak is chosen on, and those that it is measured on."""

LEAST_POINTS = 3
"""Points beside the reference that two parameters need to be contradicted."""
LEAST_SHARE = 0.01
"""Of the points' mean squared error: no point counts as more exact, so that none decides alone."""
AT_REFERENCE = 0.01
"""Share of the largest KL that the first point may have."""


class Fall(NamedTuple):
    """The row where values peaked; their means there and at the last row; and the first minus the second."""

    peak: int
    height: float
    last: float
    drop: Estimate


def fall(values: Floats, among: int | None = None) -> Fall:
    """How far values fell from their highest row to their last, (K, P), the same P prompts in every row.

    The peak is chosen on every other prompt; heights and drop are those of the rest, so that choosing flatters
    neither. Args: among: the peak is one of the first `among` rows; default: all K.
    Raises ValueError for fewer than two prompts, or a value that isn't finite.
    """
    measured = stats.finite(values)[:, MEASURED]
    peak = int(values[:among, CHOSEN].mean(axis=1).argmax())
    drop = stats.paired_difference(measured[peak], measured[-1])
    return Fall(peak, float(measured[peak].mean()), float(measured[-1].mean()), drop)


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
    mean; NaN where all of them have one height.
    """

    alpha: Estimate
    beta: Estimate
    peak: Estimate
    height: Estimate
    r_squared: float
    points: int


def fit(
    form: Form, kl_nats: Floats, values: Floats, *, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> Fit:
    """A form's least-squares fit to values against the root of KL; the first row is the reference, d = 0, R = 0.

    Each point is weighted by 1 / the squared standard error of its change. Intervals are percentiles over resampled
    prompts, set apart as t on P - 1 degrees of freedom asks (Hesterberg 2015, arXiv:1411.5279); means, KL and fit
    are made anew for each. They tell of the prompts' chance, not of that of another training run.
    Args: kl_nats, values: (K, P), one row a point, the same P prompts in each.
    Raises ValueError for different shapes, fewer than two prompts, a value that isn't finite, a first row that has
    left the reference, or fewer than three other points at distances that tell alpha from beta.
    """
    kl, change = _away(kl_nats, values)
    weights = _weights(change)
    d, y = _points(kl, change)
    alpha, beta = _solve(form, d, y, weights)
    if not np.isfinite(alpha[0]):
        raise ValueError("the points lie at one distance, which tells nothing of a bend")
    resampled = _solve(form, *_points(kl, change, _draws(kl.shape[1], resamples, seed)), weights)
    solved = np.isfinite(resampled[0])
    if 2 * solved.sum() < resamples:
        raise ValueError("the points lie at distances too close to one another to tell of a bend")
    drawn_alpha, drawn_beta = (x[solved] for x in resampled)
    whole = (alpha, beta, *form.peak(alpha, beta))
    drawn = (drawn_alpha, drawn_beta, *form.peak(drawn_alpha, drawn_beta))
    slope, bend, peak, height = (
        _estimate(float(x[0]), draws, kl.shape[1], level) for x, draws in zip(whole, drawn, strict=True)
    )
    quality = _r_squared(y[:, 0], form(d[:, 0], slope.value, bend.value), weights)
    return Fit(slope, bend, peak, height, quality, len(y))


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


def _weights(change: Floats) -> Floats:
    """1 / squared standard error of each row's mean, (K,), bounded; all alike where there is no error at all."""
    squared = change.var(axis=1, ddof=1) / change.shape[1]
    if not squared.any():
        return np.ones(len(squared))
    weights: Floats = 1 / np.maximum(squared, LEAST_SHARE * squared.mean())
    return weights


def _draws(prompts: int, resamples: int, seed: int) -> Floats:
    """How often each prompt is drawn in each resample, as shares, (P, resamples)."""
    drawn = np.random.default_rng(seed).integers(prompts, size=(resamples, prompts))
    drawn += prompts * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * prompts)
    shares: Floats = counts.reshape(resamples, prompts).T / prompts
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


def _estimate(value: float, draws: Floats, prompts: int, level: float) -> Estimate:
    """Percentiles of draws that may be infinite: no two are averaged."""
    z = np.sqrt(prompts / (prompts - 1)) * distributions.t.ppf((1 + level) / 2, prompts - 1)
    places = np.round(distributions.norm.cdf([-z, z]) * (len(draws) - 1)).astype(int)
    low, high = (float(x) for x in np.sort(draws)[places])
    return Estimate(value, min(low, value), max(high, value), prompts)
