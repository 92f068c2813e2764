"""Estimates over cases that are crossed: every seed's models meet the same questions, (seeds, cases).

Both levels are drawn at random, so both carry error: the variance is that of clustering by question plus that of
clustering by seed. That is what resampling both would come to (Owen 2007, arXiv:0712.1111, the pigeonhole bootstrap),
without the trouble that percentiles have with three seeds. Noise of single cases counts in both, so that intervals are
rather too wide than too narrow. Degrees of freedom after Satterthwaite 1946. With one seed only questions are drawn:
the interval then holds for these models and not for others trained alike.

Every `n` here is the number of questions. `questions` names each case's question, (cases,), as text or numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions

from . import stats
from .clusters import grouped
from .stats import Estimate, Floats

Mask = NDArray[np.bool_]


class Spread(NamedTuple):
    """Variances and covariances of k means, (k, k), by what is drawn, with the degrees of freedom of each."""

    parts: tuple[Floats, ...]
    freedom: tuple[int, ...]
    groups: int

    @property
    def covariance(self) -> Floats:
        total: Floats = np.sum(self.parts, axis=0)
        return total

    def quantile(self, weights: ArrayLike, level: float) -> float:
        """Student's t for the error of the means' weighted sum; infinite where no part has a degree of freedom."""
        w = np.asarray(weights, dtype=np.float64)
        variances = np.array([float(w @ part @ w) for part in self.parts])
        if not variances.sum() > 0:
            return float(distributions.t.ppf((1 + level) / 2, max(self.freedom)))
        freedom = variances.sum() ** 2 / float(np.sum(variances**2 / np.array(self.freedom)))
        return float(distributions.t.ppf((1 + level) / 2, freedom))


def spread(values: Floats, questions: ArrayLike) -> Spread:
    """How the means of k quantities err, from their values, (k, seeds, cases).

    Source: Liang & Zeger 1986 with G / (G - 1), over questions and over seeds. Raises ValueError if a value is not
    finite, there are fewer than two questions, or the lengths differ.
    """
    stats.finite(values)
    codes, groups = grouped(questions, values.shape[2])
    if groups < 2:
        raise ValueError("one question shows no spread from question to question")
    pulls = (values - values.mean(axis=(1, 2), keepdims=True)) / (values.shape[1] * values.shape[2])
    by_question: Floats = np.stack([np.bincount(codes, row, groups) for row in pulls.sum(axis=1)])
    levels: list[Floats] = [by_question] if values.shape[1] == 1 else [by_question, pulls.sum(axis=2)]
    parts = tuple(_covariance(sums) for sums in levels)
    return Spread(parts, tuple(sums.shape[1] - 1 for sums in levels), groups)


def mean(values: ArrayLike, questions: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean over seeds and cases of values, (seeds, cases). Raises ValueError as `spread` does."""
    x = _seeds_by_cases(values)
    errors = spread(x[None], questions)
    centre = float(x.mean())
    half = errors.quantile([1.0], level) * float(np.sqrt(errors.covariance[0, 0]))
    return Estimate(centre, centre - half, centre + half, errors.groups)


def ratio(numerator: ArrayLike, denominator: ArrayLike, questions: ArrayLike, level: float = 0.95) -> Estimate:
    """mean(numerator) / mean(denominator), both (seeds, cases), with Fieller's interval.

    The interval holds each r for which mean(numerator) - r mean(denominator) can't be told from 0. It is bounded just
    where the denominator can be told from 0; elsewhere the ratio is no number. t is the larger of those of both.
    Source: Fieller 1954. Raises ValueError if the denominator can't be told from 0, and as `spread` does.
    """
    both = np.stack([_seeds_by_cases(numerator), _seeds_by_cases(denominator)])
    errors = spread(both, questions)
    a, b = (float(x) for x in both.mean(axis=(1, 2)))
    if b == 0:
        raise ValueError("the denominator is 0")
    t = max(errors.quantile([0.0, 1.0], level), errors.quantile([1.0, -a / b], level))
    (aa, ab), (_, bb) = errors.covariance * t**2
    if b**2 <= bb:
        raise ValueError(f"the denominator {b:.3g} can't be told from 0: its interval reaches {np.sqrt(bb):.3g} around")
    centre, lead = a * b - ab, b**2 - bb
    half = float(np.sqrt(max(centre**2 - lead * (a**2 - aa), 0.0)))
    return Estimate(a / b, min((centre - half) / lead, a / b), max((centre + half) / lead, a / b), errors.groups)


def share(hits: ArrayLike, among: ArrayLike, questions: ArrayLike, level: float = 0.95) -> Estimate:
    """The share of hits among some of the cases, both (seeds, cases) of True and False.

    Wilson's interval at the effective sample size: that at which independent cases have the same error, widened from
    the normal quantile to Student's t; where all or none are hits, the number of questions among them.
    `n` is the number of questions among them.
    Raises ValueError if there are fewer than two questions among them.
    """
    inside = _seeds_by_cases(among).astype(bool)
    met = inside.any(axis=0)
    hit, named = _seeds_by_cases(hits)[:, met] * inside[:, met], np.asarray(questions)[met]
    if not met.any():
        raise ValueError("no number without data: there is no such case")
    value = float(hit.sum() / inside.sum())
    errors = spread(np.stack([hit, inside[:, met].astype(np.float64)]), named)
    weights = np.array([1.0, -value]) / inside[:, met].mean()
    variance = float(weights @ errors.covariance @ weights)
    size = float(errors.groups)
    if 0 < value < 1 and variance > 0:
        widening = errors.quantile(weights, level) / float(distributions.norm.ppf((1 + level) / 2))
        size = float(np.clip(value * (1 - value) / (variance * widening**2), 1, inside.sum()))
    return Estimate(value, *stats.wilson(value, size, level), errors.groups)


def _covariance(sums: Floats) -> Floats:
    groups = sums.shape[1]
    found: Floats = groups / (groups - 1) * (sums @ sums.T)
    return found


def _seeds_by_cases(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2:
        raise ValueError(f"values of shape {found.shape} are no table of seeds by cases")
    return found
