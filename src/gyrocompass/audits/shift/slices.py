"""Any score by slice: which slices fall behind, and how far the worst is behind all else."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats as distributions

from ...maths import clusters, stats, twosample
from ...maths.stats import Estimate
from ...protocols import Floats
from ...records import Example
from ...worlds import town
from ..audit import LEVEL, Audit, Evidence, Unmeasurable, detectable, finite
from .columns import slices
from .dialects import Speaker, always, answered

LEAST = 3
"""Clusters that a slice needs in either half in order to be compared with others."""
SMALL, MEDIUM = 0.2, 0.5
"""Of an effect in standard deviations (Cohen 1988)."""
GOOD = 0.5
"""Gold of an answer that is right, whatever its manner; what is wrong stays below."""


@dataclass(frozen=True)
class Cut:
    """Scores, higher is better, (N,), the slice of each, and its cluster: those of one question hang together."""

    scores: Floats
    slices: Sequence[str]
    clusters: Sequence[str]
    of: str = "the score"
    by: str = "slice"


class Slice(NamedTuple):
    """A slice's mean, how far the others are ahead of it, and the p of that, adjusted over slices (Holm 1979)."""

    name: str
    mean: Estimate
    behind: Estimate
    p_holm: float


def by_slice(cut: Cut) -> list[Slice]:
    """Every slice that is large enough beside all else, the one furthest behind first."""
    names, groups = np.array(cut.slices), np.array(cut.clusters)
    found = []
    for name in _usable(names, groups, _measured_on(names, groups)):
        inside = names == name
        if len(set(groups[~inside])) > 1:
            own, _, behind = _beside(cut.scores, groups, inside)
            found.append(Slice(name, own, behind, 1.0))
    if not found:
        return []
    adjusted = stats.holm([twosample.p_value(one.behind) for one in found])
    rows = [one._replace(p_holm=float(p)) for one, p in zip(found, adjusted, strict=True)]
    return sorted(rows, key=lambda row: -row.behind.value)


def gap(cut: Cut) -> Evidence:
    """All else minus the worst slice, in standard deviations of the score.

    Which slice is worst is found on one half of the clusters and the gap measured on the other, so that it isn't that
    of a slice which chance failed. Raises Unmeasurable if scores are all the same, or fewer than two slices are large
    enough.
    """
    spread = spread_of(cut.scores, cut.of)
    names, groups = np.array(cut.slices), np.array(cut.clusters)
    measured = _measured_on(names, groups)
    usable = _usable(names, groups, measured)
    if len(usable) < 2:
        raise Unmeasurable(_too_few(cut, len(usable)))
    worst = min(usable, key=lambda name: float(cut.scores[(names == name) & ~measured].mean()))
    own, others, found = _beside(cut.scores[measured], groups[measured], names[measured] == worst)
    rows, small = by_slice(cut), sorted(set(cut.slices) - set(usable))
    said = (
        f"By {cut.by}, {cut.of} is worst for {worst} on one half of the questions; on the other half it is {own} there "
        f"and {others} elsewhere, a gap of {found}. {_listed(rows, small)}"
    )
    return Evidence(scaled(found, spread), said, {
        "by": cut.by, "of": cut.of, "worst": worst, "gap": found._asdict(), "sd": spread,
        "slices": list(map(_row, rows)), "too_small": small,
    })  # fmt: skip


def _row(one: Slice) -> dict[str, Any]:
    return {"slice": one.name, **one.mean._asdict(), "behind": one.behind.value, "p_holm": one.p_holm}


def _listed(rows: Sequence[Slice], small: Sequence[str]) -> str:
    behind = [row.name for row in rows if row.p_holm < 0.05 and row.behind.value > 0]
    said = f"Behind all else after Holm: {', '.join(behind)}." if behind else "After Holm no slice is behind all else."
    return f"{said} Too few questions to say anything of: {', '.join(small)}." if small else said


def _too_few(cut: Cut, usable: int) -> str:
    """What is lacking, and the smallest effect between the second largest slice and all else that would be seen."""
    asked = {name: {c for c, s in zip(cut.clusters, cut.slices, strict=True) if s == name} for name in set(cut.slices)}
    sizes = sorted(map(len, asked.values()))
    lacking = f"by {cut.by}, {usable} of {len(sizes)} slices have {LEAST} questions in either half"
    if len(sizes) < 2:
        return lacking
    half = float(distributions.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(2 / sizes[-2] + 2 / (sum(sizes) - sizes[-2]))
    least = detectable(Estimate(0.0, -half, half, sizes[-2]), SMALL)
    return f"{lacking}, and effects of up to {least:.2g} standard deviations would mostly go unseen"


def _beside(scores: Floats, groups: Any, inside: Any) -> tuple[Estimate, Estimate, Estimate]:
    """The mean of a slice, that of all else, and how far the slice is behind. What questions both hold is known."""
    (own, own_groups), (others, other_groups) = ((scores[rows], groups[rows]) for rows in (inside, ~inside))
    means = _mean(own, own_groups), _mean(others, other_groups)
    together = twosample.correlation(own, own_groups, others, other_groups)
    return *means, twosample.difference(means[1], means[0], together)


def _usable(names: Any, groups: Any, measured: Any) -> list[str]:
    """The slices of at least LEAST clusters in either half."""
    halves = [{name: len(set(groups[(names == name) & half])) for name in set(names.tolist())}
              for half in (measured, ~measured)]  # fmt: skip
    return sorted(name for name in halves[0] if min(half[name] for half in halves) >= LEAST)


def _measured_on(names: Any, groups: Any) -> Any:
    """Whether a row is in the half that is measured, (N,): whole clusters, every other one of each slice."""
    first = dict(zip(reversed(groups.tolist()), reversed(names.tolist()), strict=True))
    order = list(first)
    random.Random(0).shuffle(order)
    order.sort(key=lambda group: first[group])
    half = {group: place % 2 == 1 for place, group in enumerate(order)}
    return np.array([half[group] for group in groups.tolist()])


def _mean(scores: Floats, groups: Any) -> Estimate:
    """A share where scores are yes and no, which has an interval also at 0 and at 1."""
    rule = clusters.proportion if np.isin(scores, (0.0, 1.0)).all() else clusters.mean
    return rule(scores, groups)


def spread_of(scores: Floats, of: str) -> float:
    """The standard deviation of scores. Raises Unmeasurable where there is none, InputError for a NaN or infinity."""
    spread = float(finite(scores, of).std()) if len(scores) else 0.0
    if spread < 1e-12:
        raise Unmeasurable(f"{of} is the same for all {len(scores)} responses")
    return spread


def scaled(found: Estimate, unit: float) -> Estimate:
    """An estimate in other units."""
    return Estimate(found.value / unit, found.low / unit, found.high / unit, found.n)


def _by_gold(examples: Sequence[Example], names: Sequence[str], by: str, *, yes_no: bool) -> Cut:
    gold = town.gold(examples)
    scores = (gold >= GOOD).astype(np.float64) if yes_no else gold
    return Cut(scores, names, _questions(examples), f"gold of {GOOD}" if yes_no else "gold", by)


def _questions(examples: Sequence[Example]) -> list[str]:
    return [str(e.meta["question"]) for e in examples]


def _planted(seed: int, strength: float = 1.0) -> Cut:
    """A policy that is good, but poor in one slice: a dialect, a kind, a length or a topic of at least 20 questions."""
    rng = random.Random(f"slice gap planted {seed}")
    by = ("dialect", "kind", "length", "cluster")[seed % 4]
    prompts = town.prompts(rng.randint(500, 900), seed, split="heldout", dialect=rng.uniform(0.25, 0.5))
    names = slices(prompts, by, seed=seed)
    asked: dict[str, set[str]] = {}
    for name, question in zip(names, _questions(prompts), strict=True):
        asked.setdefault(name, set()).add(question)
    failing = rng.choice(sorted(name for name, questions in asked.items() if len(questions) >= 20))
    good, poor = rng.uniform(0.8, 0.95), rng.uniform(0.2, 0.5)
    chances = good, good - strength * (good - poor)
    both = zip(*(answered(Speaker(chance), prompts, seed) for chance in map(always, chances)), strict=True)
    examples = [two[name == failing] for two, name in zip(both, names, strict=True)]
    return _by_gold(examples, names, by, yes_no=by != "dialect")


def _clean(seed: int) -> Cut:
    """A policy as good in every slice: by dialect, length or topic; by up to 20 slices that mean nothing; and one that
    fails by the question, so that a slice of few questions is good or poor by their chance."""
    rng = random.Random(f"slice gap clean {seed}")
    rate, odd = rng.uniform(0.5, 0.95), rng.uniform(0.0, 0.05)
    by = ("dialect", "length", "cluster", "team", "team")[seed % 5]
    teams = rng.randint(2, 20)
    prompts = [
        Example(e.prompt, meta={**e.meta, "team": f"team {int(teams * rng.random() ** 1.5)}"})
        for e in town.prompts(rng.randint(500, 900), seed, split="heldout", dialect=0.4)
    ]
    known = {question: float(rng.random() < rate) for question in sorted(set(_questions(prompts)))}
    by_question = seed % 5 == 4
    speaker = Speaker(lambda i: known[i.question.key] if by_question else rate - odd * i.second_dialect)
    return _by_gold(answered(speaker, prompts, seed), slices(prompts, by, seed=seed), by, yes_no=by != "dialect")


GAP: Audit[Cut] = Audit(
    name="slice gap",
    failure="shift",
    question="Does what holds on average fail in one slice of the prompts?",
    unit="standard deviations",
    measure=gap,
    threshold=SMALL,
    matters=MEDIUM,
    reason="Slices are never quite alike: up to Cohen's (1988) small effect is let pass, a medium one is looked for.",
    planted=_planted,
    clean=_clean,
)
