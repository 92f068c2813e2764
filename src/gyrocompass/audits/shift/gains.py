"""Distribution shift: does what training gained in one slice hold in another?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...maths import clusters, twosample
from ...maths.stats import Estimate
from ...protocols import Floats, Policy, Scorer
from ...records import Example
from ...worlds import town
from ..audit import Audit, Evidence, Unmeasurable
from .columns import question_of
from .dialects import Chance, Speaker, answered, in_dialects
from .slices import MEDIUM, SMALL, scaled, spread_of


@dataclass(frozen=True)
class Gain:
    """Scores before and after training in one slice, (N,). `clusters`: the question of each."""

    name: str
    before: Floats
    after: Floats
    clusters: Sequence[str]


@dataclass(frozen=True)
class TwoGains:
    """The gain from training in the slice that it was trained on, and in another; a question may be in both."""

    trained: Gain
    other: Gain
    of: str = "gold"


def gain(name: str, before: Policy, after: Policy, prompts: Sequence[Example], scorer: Scorer, seed: int = 0) -> Gain:
    """What two policies' responses to these prompts are worth to the scorer."""
    first, second = (scorer(answered(policy, prompts, seed + i)) for i, policy in enumerate((before, after)))
    return Gain(name, first, second, list(map(question_of, prompts)))


def gained_apart(case: TwoGains) -> Evidence:
    """The gain in the slice trained on minus the gain in the other, in standard deviations of the scores.

    Not flagged where training gained nothing to begin with. Raises Unmeasurable if all scores are the same, or a slice
    has fewer than two questions.
    """
    slices = case.trained, case.other
    spread = spread_of(np.concatenate([scores for s in slices for scores in (s.before, s.after)]), case.of)
    for one in slices:
        if len(set(one.clusters)) < 2:
            raise Unmeasurable(f"{one.name} has {len(set(one.clusters))} questions, and two at least are needed")
    gains = [one.after - one.before for one in slices]
    trained, other = (clusters.mean(g, one.clusters) for g, one in zip(gains, slices, strict=True))
    together = twosample.correlation(gains[0], slices[0].clusters, gains[1], slices[1].clusters)
    found = twosample.difference(trained, other, together)
    nothing = f"But in {case.trained.name} training gained nothing that the data show, so nothing could hold."
    return Evidence(
        scaled(found, spread),
        _said(case, trained, other, found),
        {
            "names": [one.name for one in slices], "trained": trained._asdict(), "other": other._asdict(),
            "gap": found._asdict(), "sd": spread,
        },
        unmet=nothing if trained.low <= 0 else "",
        ruled_out=trained.high <= 0,
    )  # fmt: skip


def _said(case: TwoGains, trained: Estimate, other: Estimate, found: Estimate) -> str:
    return (
        f"Training changed {case.of} by {trained} in {case.trained.name} and by {other} in {case.other.name}, "
        f"a difference of {found}."
    )


def _holds_in_one(seed: int, strength: float = 1.0) -> TwoGains:
    """Training that made answers right in the standard dialect, and of that little or nothing in the second."""
    rng = random.Random(f"gains planted {seed}")
    start, end = rng.uniform(0.3, 0.5), rng.uniform(0.85, 0.95)
    carried = start + rng.uniform(-0.1, 0.2) * (end - start)
    lower = start - 0.05 * rng.random()
    missing = strength * (lower + end - start - carried)
    return _gains(rng, seed, in_dialects(start, lower), in_dialects(end, lower + end - start - missing))


def _holds_in_both(seed: int) -> TwoGains:
    """Training that gained as much in either dialect, from unlike beginnings; or nothing in either; or that lost in the
    second dialect what it didn't gain in the first."""
    rng = random.Random(f"gains clean {seed}")
    start, step = rng.uniform(0.35, 0.55), rng.uniform(0.15, 0.4)
    lower = start - rng.uniform(0.0, 0.15)
    if seed % 4 == 0:
        step = 0.0
    fall = 0.3 if seed % 8 == 0 else 0.0
    return _gains(rng, seed, in_dialects(start, lower), in_dialects(start + step, lower + step - fall))


def _gains(rng: random.Random, seed: int, before: Chance, after: Chance) -> TwoGains:
    """Gold of two speakers on held-out prompts, the same in either dialect or, in every other case, others."""
    n, same = rng.randint(300, 600), seed % 2 == 0
    found = []
    for second in (False, True):
        asked = town.prompts(n, 2 * seed + (second and not same), split="heldout", dialect=second)
        name = "the second dialect" if second else "the standard dialect"
        found.append(gain(name, Speaker(before), Speaker(after), asked, town.gold, 4 * seed + 2 * second))
    return TwoGains(found[0], found[1])


GAINS: Audit[TwoGains] = Audit(
    name="holds in one slice and fails in another",
    failure="shift",
    question="Is what training gained in one slice of the prompts missing in another?",
    unit="standard deviations",
    measure=gained_apart,
    threshold=SMALL,
    matters=MEDIUM,
    reason="Gains are never quite alike: up to Cohen's (1988) small effect is let pass, a medium one is looked for.",
    planted=_holds_in_one,
    clean=_holds_in_both,
)
