"""Does an ability, or a failure, appear at some size at once? And is the jump the model's, or only the metric's?

Source: Wei et al. 2022, arXiv:2206.07682 (jumps with scale); Schaeffer et al. 2023, arXiv:2304.15004 (jumps that come
of an all-or-nothing metric); Pan et al. 2022, arXiv:2201.03544 (of a mis-specified reward).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ..maths import emergence
from ..maths.stats import Estimate
from ..protocols import Floats
from .audit import Audit, Evidence, Unmeasurable

FEWEST_SEEDS = 5
"""Fewer can't carry 95%: R seeds all lie on one side of the truth by chance in 2 of 2^R cases, a quarter for 3 and a
sixteenth for 5."""
THRESHOLD, MATTERS = 0.2, 0.4
ADDED = THRESHOLD
"""What an all-or-nothing metric must add to the smooth one's excess for a jump to be its doing: as much as would be a
jump by itself."""


@dataclass(frozen=True)
class Scaling:
    """The same outputs of models of several sizes under two metrics. `sizes`: (S,), increasing, such as parameters;
    the metrics: (S, R), a size's values over R seeds, each seed in one column."""

    sizes: Floats
    smooth: Floats
    all_or_nothing: Floats


def measure(case: Scaling) -> Evidence:
    """The share of the smooth metric's change that falls within one doubling beyond what a smooth trend puts there."""
    _check(case)
    effect, found = emergence.excess(case.sizes, case.smooth), emergence.jump(case.sizes, case.smooth)
    width, span = emergence.window(case.sizes), emergence.span(case.sizes)
    said = (
        f"The smooth metric changes over {span:.1f} doublings of size as a smooth trend does."
        if effect.low <= THRESHOLD and effect.high < MATTERS
        else f"Of the smooth metric's change over {span:.1f} doublings of size, {found.share:.0%} falls within "
        f"{width:.1f} near size {found.at:,.0f} by thresholds (weight {found.weight:.2f}), and {found.trend:.0%} by "
        "smooth trends."
    )
    metric, told = _of_metric(case, effect)
    detail = {**found._asdict(), "window_doublings": width, "span_doublings": span, **metric}
    return Evidence(effect, f"{said} {told}", detail)


def _of_metric(case: Scaling, smooth: Estimate) -> tuple[dict[str, Any], str]:
    """What the all-or-nothing metric adds to the smooth one's jump, and whether that makes the jump its doing."""
    if not _changes(case.sizes, case.all_or_nothing):
        told = "The all-or-nothing metric doesn't change with size beyond the spread of the seeds."
        return {"all_or_nothing": None, "added": None}, told
    coarse = emergence.excess(case.sizes, case.all_or_nothing)
    added = emergence.added(case.sizes, case.all_or_nothing, case.smooth)
    detail = {"all_or_nothing": coarse._asdict(), "added": added._asdict()}
    return detail, _whose(smooth, coarse, added)


def _whose(smooth: Estimate, coarse: Estimate, added: Estimate) -> str:
    """Two excesses, one above the threshold and one not, don't yet differ: what tells is the interval of `added`."""
    if added.low > ADDED:
        return f"All or nothing, {added} more of the change comes at once than smoothly: so much is the metric's."
    if coarse.low <= THRESHOLD:
        return f"The all-or-nothing metric shows no jump for certain ({coarse})."
    if smooth.low > THRESHOLD:
        return f"The all-or-nothing metric jumps as well ({coarse})."
    return (
        f"The all-or-nothing metric jumps ({coarse}); whether that is its own doing can't be told: it adds {added} to "
        "what comes at once smoothly."
    )


def _changes(sizes: Floats, values: Floats) -> bool:
    found = emergence.change(sizes, values)
    return not found.low <= 0.0 <= found.high


def _check(case: Scaling) -> None:
    """Raises Unmeasurable for a sweep that can't tell a jump from a trend."""
    sizes, seeds = case.smooth.shape
    if sizes < emergence.FEWEST_SIZES:
        raise Unmeasurable(f"{sizes} sizes; it takes {emergence.FEWEST_SIZES} to tell a jump from a trend")
    if seeds < FEWEST_SEEDS:
        raise Unmeasurable(f"{seeds} seeds; it takes {FEWEST_SEEDS} to tell a jump from their spread")
    width, span = emergence.window(case.sizes), emergence.span(case.sizes)
    if 2 * width > span:
        raise Unmeasurable(
            f"neighbouring sizes lie {width:.1f} doublings apart in a sweep of {span:.1f}, so that any trend has half "
            "of its change between two of them; add sizes"
        )
    if not _changes(case.sizes, case.smooth):
        raise Unmeasurable("the smooth metric doesn't change with size beyond the spread of the seeds")


def planted(seed: int, strength: float = 1.0) -> Scaling:
    """A sudden change, most of it within one doubling, its place a little different for each seed, up or down, in
    noise of up to 8% of the change. Two sizes lie clear of it on either side: one alone could be on a trend.

    `strength`, in (0, 1], is the share of the change that is sudden; the rest is along a line.
    """
    rng = np.random.default_rng(seed)
    x = _sweep(rng, fewest=5)
    seeds = int(rng.integers(FEWEST_SEEDS, 9))
    place = rng.uniform((x[1] + x[2]) / 2, (x[-3] + x[-2]) / 2) + rng.normal(0.0, 0.1, seeds)
    sudden = special.expit((x[:, None] - place) / rng.uniform(0.05, 0.25))
    risen = strength * sudden + (1.0 - strength) * _along(x)[:, None]
    return _case(rng, x, risen, noise=rng.uniform(0.01, 0.08))


def clean(seed: int) -> Scaling:
    """A smooth change whose exact-match version looks like a jump: a line, a power law, one that meets its ceiling,
    a hump, or a wide S; in noise of up to 10% of the change, on the single value or on all of a seed's."""
    rng = np.random.default_rng(seed)
    x = _sweep(rng, fewest=5)
    seeds = int(rng.integers(FEWEST_SEEDS, 9))
    trend = _TRENDS[seed % len(_TRENDS)](rng, x, _along(x))
    risen = np.repeat((trend - trend.min())[:, None] / np.ptp(trend), seeds, axis=1)
    noise = rng.uniform(0.01, 0.1)
    shift = rng.normal(0.0, noise / 2, seeds) * (rng.random() < 0.5)
    return _case(rng, x, risen + shift, noise)


def _line(rng: np.random.Generator, x: Floats, along: Floats) -> Floats:
    return along


def _power(rng: np.random.Generator, x: Floats, along: Floats) -> Floats:
    exponent = rng.uniform(0.05, 0.8) * rng.choice([-1.0, 1.0])
    found: Floats = np.sign(exponent) * np.exp2(exponent * (x - x[0]))
    return found


def _ceiling(rng: np.random.Generator, x: Floats, along: Floats) -> Floats:
    return np.minimum(along, rng.uniform(0.5, 0.9))


def _hump(rng: np.random.Generator, x: Floats, along: Floats) -> Floats:
    """Up, and halfway down again: it changes much on its way, and little from end to end."""
    top = rng.uniform(0.45, 0.7)
    found: Floats = np.minimum(along / top, 1.0 - (along - top) * rng.uniform(0.3, 0.8) / (1.0 - top))
    return found


def _wide(rng: np.random.Generator, x: Floats, along: Floats) -> Floats:
    """A logistic whose middle four fifths take at least 60% of the sweep."""
    found: Floats = special.expit((along - rng.uniform(0.4, 0.6)) / (rng.uniform(0.6, 1.0) / (2 * np.log(9.0))))
    return found


_TRENDS: tuple[Callable[[np.random.Generator, Floats, Floats], Floats], ...] = (_line, _power, _ceiling, _hump, _wide)


def _along(x: Floats) -> Floats:
    """How far each size is on the way from the smallest to the largest, (S,)."""
    found: Floats = (x - x[0]) / (x[-1] - x[0])
    return found


def _sweep(rng: np.random.Generator, fewest: int) -> Floats:
    """log2 of 5 to 9 sizes, neighbours 0.8 to 1.3 doublings apart."""
    steps = rng.uniform(0.8, 1.3, int(rng.integers(fewest, 10)) - 1)
    return rng.uniform(12.0, 30.0) + np.concatenate([[0.0], np.cumsum(steps)])


def _case(rng: np.random.Generator, x: Floats, risen: Floats, noise: float) -> Scaling:
    """`risen`, from 0 to 1, is the chance of a token on its way from 0.3 to 0.97 (or a quantity of another scale and
    direction that goes with it), and its k-th power the chance of k tokens in a row."""
    chance = np.clip(0.3 + 0.67 * (risen + rng.normal(0.0, noise, risen.shape)), 0.0, 1.0)
    exact = chance ** int(rng.integers(5, 21))
    scale, level = rng.choice([-1.0, 1.0]) * np.exp(rng.normal(0.0, 1.0)), rng.normal()
    return Scaling(np.exp2(x), level + scale * chance, exact)


JUMP: Audit[Scaling] = Audit(
    name="a jump with scale",
    failure="emergence",
    question="Does what a model can do, or how it fails, appear at some size at once, in a metric that could show it "
    "coming?",
    unit="of the change",
    measure=measure,
    threshold=THRESHOLD,
    matters=MATTERS,
    reason="The effect is the share of the whole change that falls within one doubling of size, beyond what the best "
    "line or power law puts into its own steepest doubling. At 0.2 a logistic curve takes half of a sweep of six "
    "doublings for the middle four fifths of its change: what is slower is seen coming from the sizes before it. At "
    "0.4 most of the change lies within one doubling.",
    planted=planted,
    clean=clean,
)
