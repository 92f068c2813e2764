"""Gauges against KL along a method's checkpoints, and two methods compared at equal KL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..maths import clusters, stats
from ..maths.stats import Estimate
from ..protocols import Floats
from ..records import Example
from . import verdict
from .probe import Readings, summarised
from .verdict import Probed

LEVELS = 4
"""KLs at which two curves are compared: powers of two, up to the highest that both reach."""

SETTINGS = {"ppo": "kl_coef", "dpo": "beta"}
"""What holds each method near the reference."""


@dataclass(frozen=True)
class Curve:
    """A method at one value of its setting: every probe of its stage, all on the same prompts.

    `default` marks the one that stands for its method.
    """

    model: str
    value: float
    stage: str
    probed: Probed
    first: tuple[Example, ...]
    """The prompts with the responses of the policy before the first step."""
    last: tuple[Example, ...]
    """The same of the last checkpoint."""
    default: bool = False

    @property
    def setting(self) -> str:
        """`kl_coef=0.03`."""
        return f"{SETTINGS[self.model]}={self.value:g}"

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The stages it needs beyond demonstrations and preferences."""
        return ("reward", self.stage) if self.model == "ppo" else (self.stage,)

    @property
    def title(self) -> str:
        """`PPO (kl_coef=0.03)`."""
        return f"{self.model.upper()} ({self.setting})"

    def points(self) -> list[dict[str, Any]]:
        """A row per checkpoint, in the form of metrics.jsonl's probes."""
        values = self.probed.values
        return [
            {"step": step, **summarised({name: stats.mean(rows[i]) for name, rows in values.items()})}
            for i, step in enumerate(self.probed.steps)
        ]

    def readings(self, at: int = -1) -> Readings:
        """What the last checkpoint was measured at, or with 0 the policy before the first step."""
        examples = self.first if at == 0 else self.last
        return Readings(list(examples), {name: rows[at] for name, rows in self.probed.values.items()})

    def peak(self, gauge: str) -> dict[str, Any]:
        return verdict.peak_of(self.probed, gauge)


class AtKL(NamedTuple):
    """How much more a second curve has than a first one where both have moved this far."""

    kl_nats: float
    difference: Estimate


@dataclass(frozen=True)
class Comparison:
    """Two curves at equal KL: second minus first at each level, and on average over the levels."""

    first: Curve
    second: Curve
    levels: tuple[AtKL, ...]
    mean: Estimate
    per_prompt: Floats
    """What `mean` is the mean of, (prompts,)."""

    def row(self) -> dict[str, Any]:
        """As frontier.json holds it."""
        return {
            "first": self.first.stage,
            "second": self.second.stage,
            "levels": [{"kl_nats": level.kl_nats, **level.difference._asdict()} for level in self.levels],
            **self.mean._asdict(),
        }


def at_kl(p: Probed, gauge: str, kl_nats: float) -> Floats | None:
    """Each prompt's gauge where the curve first comes to this KL, (prompts,); None if it never does.

    Linear between the two probes around it. KL is an estimate itself: with g_i and k_i a prompt's interpolated gauge
    and KL, the value is g_i - slope (k_i - kl_nats). The second part has mean 0, and gives the mean's interval what
    the error of the KL adds to it (the delta method).
    """
    gauges, kls = p.values[gauge], p.values["kl_nats"]
    means = kls.mean(axis=1)
    for a, b in pairwise(range(len(means))):
        if means[a] <= kl_nats <= means[b] and means[a] < means[b]:
            share = (kl_nats - means[a]) / (means[b] - means[a])
            slope = (gauges[b].mean() - gauges[a].mean()) / (means[b] - means[a])
            gauge_there, kl_there = ((1 - share) * x[a] + share * x[b] for x in (gauges, kls))
            found: Floats = gauge_there - slope * (kl_there - kl_nats)
            return found
    return None


def levels_of(first: Probed, second: Probed) -> list[float]:
    """KLs in nats at which to compare two curves; none if one of them has not moved."""
    reach = min(float(p.values["kl_nats"].mean(axis=1).max()) for p in (first, second))
    if reach <= 0:
        return []
    top = math.floor(math.log2(reach))
    return [2.0**power for power in range(top - LEVELS + 1, top + 1)]


def compare(first: Curve, second: Curve, gauge: str) -> Comparison | None:
    """The second curve minus the first at equal KL, paired by prompt and clustered by question; None if they have no KL
    in common."""
    found: list[tuple[float, Floats]] = []
    for kl_nats in levels_of(first.probed, second.probed):
        one, two = (at_kl(curve.probed, gauge, kl_nats) for curve in (first, second))
        if one is not None and two is not None:
            found.append((kl_nats, two - one))
    if not found:
        return None
    average = np.mean([differences for _, differences in found], axis=0)
    levels = tuple(AtKL(kl_nats, clusters.mean(differences, first.probed.questions)) for kl_nats, differences in found)
    return Comparison(first, second, levels, clusters.mean(average, first.probed.questions), average)


def pooled(comparisons: Sequence[Comparison]) -> Estimate:
    """The mean over all of these comparisons, which share their prompts. Raises ValueError if there are none."""
    if not comparisons:
        raise ValueError("no number without data: no two curves reach a KL in common")
    average = np.mean([comparison.per_prompt for comparison in comparisons], axis=0)
    return clusters.mean(average, comparisons[0].first.probed.questions)


def nearest(values: Sequence[float], default: float) -> list[float]:
    """The settings, the one nearest the default first: it stands for its method."""
    first = min(values, key=lambda value: abs(value - default))
    return [first, *(value for value in dict.fromkeys(values) if value != first)]
