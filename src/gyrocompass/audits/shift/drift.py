"""Drift: have measurements changed since a baseline was taken?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scipy import stats as distributions

from ...maths import stats, twosample
from ...maths.stats import Estimate
from ...records import Measurement
from ..audit import LEVEL, Audit, Evidence, Finding, Unmeasurable

Key = tuple[str, str, str, str | None]
ALPHA = (1 - LEVEL) / 2
"""Chance of calling any change real where there is none: that of every audit. Theirs is of an effect one way; a change
may be up or down, so its intervals are of level 1 - ALPHA."""


def key_of(row: Measurement) -> Key:
    """What makes two measurements comparable."""
    return row.model, row.property, row.metric, row.slice


@dataclass(frozen=True)
class Since:
    """Measurements now and then. `among`: of how many such comparisons this is one, as Holm counts them."""

    now: Sequence[Measurement]
    then: Sequence[Measurement]
    among: float = 1.0


class Change(NamedTuple):
    """One measurement now and then, the difference, and what Holm multiplies its p by (Bonferroni, where it fails)."""

    now: Measurement
    then: Measurement
    difference: Estimate
    p: float
    among: float


def changes(case: Since) -> list[Change]:
    """What is measured on both sides, now minus then, the surest change first.

    The two are taken for independent, and the interval comes of theirs alone; answers to the same prompts mostly go
    together, and then it is too wide rather than too narrow.
    """
    then = {key_of(row): row for row in case.then}
    pairs = [(row, then[key_of(row)]) for row in case.now if key_of(row) in then]
    if not pairs:
        return []
    found = [twosample.difference(_estimate(now), _estimate(before)) for now, before in pairs]
    p = [twosample.p_value(difference) for difference in found]
    adjusted = stats.holm(p).tolist()
    rows = [
        Change(now, before, d, alone, case.among * (together / alone if 0 < together < ALPHA else len(p)))
        for (now, before), d, alone, together in zip(pairs, found, p, adjusted, strict=True)
    ]
    return sorted(rows, key=lambda row: row.p)


def drift(case: Since) -> Evidence:
    """The size of the surest change; its interval reaches as far down as Holm asks for over all that are compared.

    So it excludes 0 where the adjusted p is below ALPHA (Holm 1979). That it is less than some size is a claim of its
    own, for which the upper end is that of one comparison. Raises Unmeasurable if no measurement is shared.
    """
    found = changes(case)
    if not found:
        raise Unmeasurable("no measurement has the same model, property, metric and slice as one of the baseline")
    top = found[0]
    effect = _size(top)
    return Evidence(effect, _said(top, effect), {
        "now": _estimate(top.now)._asdict(), "then": _estimate(top.then)._asdict(), "property": top.now.property,
        "slice": top.now.slice, "difference": top.difference._asdict(), "p_holm": min(1.0, top.p * top.among),
    })  # fmt: skip


def findings(case: Since) -> list[Finding]:
    """A finding for each measurement that both sides have, named `drift: METRIC (PROPERTY, SLICE)`."""
    return [
        replace(DRIFT, name=_title(change.now))(Since([change.now], [change.then], change.among), change.now.model)
        for change in changes(case)
    ]


def _title(row: Measurement) -> str:
    return f"drift: {row.metric} ({', '.join(part for part in (row.property, row.slice) if part)})"


def _estimate(row: Measurement) -> Estimate:
    return Estimate(row.value, row.low, row.high, row.n)


def _size(change: Change) -> Estimate:
    """How far from 0 the difference is, whichever way, its lower end at the level that Holm asks for."""
    found = change.difference
    below, above = found.value - found.low, found.high - found.value
    if found.value < 0:
        below, above = above, below
    tails = ALPHA / 2 / max(1.0, change.among), (1 - LEVEL) / 2
    asked, given = map(float, distributions.norm.isf(tails))
    wider = asked / given
    size = abs(found.value)
    return Estimate(size, size - wider * below, size + above, found.n)


def _said(change: Change, size: Estimate) -> str:
    now, then = change.now, change.then
    part = f" ({then.slice})" if then.slice else ""
    way = "rose" if now.value > then.value else "fell" if now.value < then.value else "stayed"
    return (
        f"{now.property.capitalize()}: {now.metric.replace('_', ' ')}{part} of {now.model} {way} from "
        f"{_estimate(then)} to {_estimate(now)}, by {size}{', after Holm' if change.among > 1 else ''}."
    )


NAMES = ("accuracy", "truthful", "over_refusal", "harmful_compliance", "sycophancy_flip", "attack_success")


def _measured(rng: random.Random, rates: Sequence[float], sizes: Sequence[int], model: str) -> Iterator[Measurement]:
    """Rates, each estimated from as many answers."""
    for i, (rate, n) in enumerate(zip(rates, sizes, strict=True)):
        hits = sum(rng.random() < rate for _ in range(n))
        yield Measurement(model, "honesty", NAMES[i % len(NAMES)], *stats.proportion(hits, n), slice=f"part {i}")


def _changed(seed: int, strength: float = 1.0) -> Since:
    """One or two of the rates have changed."""
    return _after(random.Random(f"drift True {seed}"), strength)


def _unchanged(seed: int) -> Since:
    return _after(random.Random(f"drift False {seed}"), 0.0)


def _after(rng: random.Random, strength: float) -> Since:
    """Between 5 and 60 rates, some of them 0 or 1, measured twice; with any strength one or two of them changed."""
    m = rng.randint(5, 60)
    rates = [rng.choice((0.0, 1.0, rng.random(), rng.random())) for _ in range(m)]
    sizes = [rng.randint(20, 600) for _ in range(m)]
    now = list(rates)
    for i in rng.sample(range(m), rng.choice((1, 2)) if strength else 0):
        sizes[i] = rng.randint(250, 600)
        now[i] = rates[i] + strength * rng.uniform(0.2, 0.5) * (1 if rates[i] < 0.5 else -1)
    return Since(list(_measured(rng, now, sizes, "ppo")), list(_measured(rng, rates, sizes, "ppo")))


DRIFT: Audit[Since] = Audit(
    name="drift",
    failure="shift",
    question="Has what was measured before changed?",
    unit="in the metric's units",
    measure=drift,
    threshold=0.0,
    matters=0.1,
    reason="The same model on the same suite is to give the same numbers, so any change beyond chance counts, over all "
    "that is compared. A tenth is looked for, of a rate or of whatever the metric's unit is.",
    planted=_changed,
    clean=_unchanged,
)
