"""Two samples: whether a classifier tells them apart, and what two numbers differ by."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy import optimize, sparse, special
from scipy import stats as distributions

from . import clusters, stats
from .stats import Estimate, Floats

PENALTY = 1.0
"""Weight of half the squared length of a classifier's weights beside its summed loss."""


def difference(a: Estimate, b: Estimate, together: float = 0.0) -> Estimate:
    """a - b from their values and intervals alone; n is the smaller of theirs.

    Each end's distance from the value is the root of two squares, of the distances of a and of b to the ends of theirs
    that lie that way, less twice their product times the `correlation` of the estimates (`together`; 0 of independent
    samples). So it is as lopsided as they are, and has width where both rates are 0.
    Source: Newcombe 1998, Statistics in Medicine 17, method 10 of either paper, for independent and for paired rates;
    for any two estimates Zou & Donner 2008.
    """
    value = a.value - b.value
    below = _third_side(a.value - a.low, b.high - b.value, together)
    above = _third_side(a.high - a.value, b.value - b.low, together)
    return Estimate(value, value - below, value + above, min(a.n, b.n))


def correlation(a: ArrayLike, groups_a: ArrayLike, b: ArrayLike, groups_b: ArrayLike) -> float:
    """How far the means of two samples vary together, in [-1, 1], as far as they share groups; 0 where they share none.

    Of the sums over each group of what its values are above their sample's mean, as in a clustered standard error
    (Liang & Zeger 1986). With one value of either sample in each group it is Pearson's.
    """
    x, y = stats.finite(a), stats.finite(b)
    codes, groups = clusters.grouped([*np.asarray(groups_a), *np.asarray(groups_b)], len(x) + len(y))
    first = np.bincount(codes[: len(x)], x - x.mean(), minlength=groups)
    second = np.bincount(codes[len(x) :], y - y.mean(), minlength=groups)
    spread = math.sqrt((first @ first) * (second @ second))
    return float(np.clip(first @ second / spread, -1, 1)) if spread > 1e-24 else 0.0


def _third_side(a: float, b: float, cosine: float) -> float:
    """Of a triangle with sides a and b, the side across the angle between them."""
    if math.isinf(a + b):
        return math.inf
    return math.sqrt(max(a * a + b * b - 2 * cosine * a * b, 0.0))


def p_value(found: Estimate, level: float = 0.95) -> float:
    """Two-sided p for a true value of zero; below 1 - `level` exactly where the interval of that level excludes zero.

    By the normal distribution, the end of the interval that faces zero taken for as many standard errors as `level`
    asks for.
    """
    reach = found.value - found.low if found.value > 0 else found.high - found.value
    if found.value == 0 or math.isinf(reach):
        return 1.0
    if reach == 0:
        return 0.0
    quantile = float(distributions.norm.ppf((1 + level) / 2))
    return float(2 * distributions.norm.sf(quantile * abs(found.value) / reach))


class Told(NamedTuple):
    """How often a classifier was right on the groups held out, (n is their number), and the weight of each feature,
    (D,): positive ones speak for the second sample."""

    accuracy: Estimate
    weights: Floats


def tell_apart(x: sparse.csr_array, second: Bool[np.ndarray, "N"], groups: ArrayLike, seed: int = 0) -> Told:
    """Classifier two-sample test: a logistic regression learns on half of the groups which sample a row is of.

    Its accuracy on the other half is 1/2 if the samples are of one distribution, and (1 + d) / 2 at most if their
    distributions are d apart in total variation. Rows of one group are all in one half, so that nothing is learnt of
    a prompt and then asked again; the interval counts groups. Held-out rows of the larger sample are left out at
    random until both are equally many, and a tie counts half. Source: Lopez-Paz & Oquab 2017, arXiv:1610.06545.
    Args: x: features of each row, (N, D); second: whether it is of the second sample; groups: (N,).
    Raises ValueError if either half lacks either sample, or is of fewer than two groups.
    """
    rng = np.random.default_rng(seed)
    codes, n_groups = clusters.grouped(groups, len(second))
    held = (rng.permutation(n_groups) % 2 == 1)[codes]
    asked = np.concatenate([rng.permutation(np.flatnonzero(held & (second == side))) for side in (False, True)])
    sizes = [int((held & (second == side)).sum()) for side in (False, True)]
    if min(*sizes, int((~held & second).sum()), int((~held & ~second).sum())) == 0 or n_groups < 4:
        raise ValueError(f"{n_groups} groups of {len(second)} rows are too few to learn from half and ask the other")
    least = min(sizes)
    asked = np.concatenate([asked[:least], asked[sizes[0] :][:least]])
    weights = _logistic(x[np.flatnonzero(~held)], np.where(second[~held], 1.0, -1.0))
    towards = np.where(second[asked], 1.0, -1.0) * (x[asked] @ weights[:-1] + weights[-1])
    right = (towards > 0) + 0.5 * (towards == 0)
    return Told(clusters.proportion(right, codes[asked]), weights[:-1])


def _logistic(x: sparse.csr_array, y: Float[np.ndarray, "N"]) -> Floats:
    """Weights and, last, the intercept, (D + 1,), of a penalised fit to y of -1 and 1; both sides weigh the same."""
    share = np.where(y > 0, (y > 0).mean(), (y < 0).mean())
    weight = 0.5 / share

    def loss(w: Floats) -> tuple[float, Floats]:
        margins = y * (x @ w[:-1] + w[-1])
        slope = -weight * y * special.expit(-margins)
        value = float(weight @ np.logaddexp(0, -margins)) + PENALTY / 2 * float(w[:-1] @ w[:-1])
        return value, np.append(x.T @ slope + PENALTY * w[:-1], slope.sum())

    start = np.zeros(x.shape[1] + 1)
    found: Floats = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found
