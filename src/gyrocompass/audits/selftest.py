"""Audits put to the test: how often each goes off on planted cases, and how often on clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..maths import stats
from ..maths.stats import Estimate
from .audit import Audit, Finding

SENSITIVITY = 0.95
FALSE_ALARMS = 0.05
"""What an audit must reach."""


@dataclass(frozen=True, slots=True)
class Point:
    """With this threshold instead, the shares of planted and of clean cases that are flagged."""

    threshold: float
    sensitivity: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class Tested:
    """One audit's hit rate and false-alarm rate with intervals, and the same at every other threshold."""

    audit: str
    finding: str
    sensitivity: Estimate
    false_alarms: Estimate
    underpowered: int
    curve: tuple[Point, ...]

    @property
    def holds(self) -> bool:
        return self.sensitivity.value >= SENSITIVITY and self.false_alarms.value <= FALSE_ALARMS


def self_test(audit: Audit[Any], cases: int, seed: int = 0) -> Tested:
    """An audit on `cases` planted and as many clean cases, each of a seed of its own."""
    planted, clean = (
        [audit(make(1_000_003 * seed + i), "") for i in range(cases)] for make in (audit.planted, audit.clean)
    )
    rates = [stats.proportion(sum(f.verdict == "flagged" for f in found), cases) for found in (planted, clean)]
    unsure = sum(f.verdict == "underpowered" for f in planted + clean)
    return Tested(audit.failure, audit.name, rates[0], rates[1], unsure, _curve(planted, clean))


def _curve(planted: Sequence[Finding], clean: Sequence[Finding]) -> tuple[Point, ...]:
    """The operating curve: thresholds at which a case more or less is flagged."""
    hits, alarms = ([f.low for f in found if f.low is not None] for found in (planted, clean))
    return tuple(
        Point(t, sum(low > t for low in hits) / len(planted), sum(low > t for low in alarms) / len(clean))
        for t in sorted({*hits, *alarms})
    )
