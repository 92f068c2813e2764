"""Audits put to the test: how often each goes off on planted cases, and how often on clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    """One audit's hit rate and false-alarm rate with intervals, and the same at every other threshold.

    `missed` planted cases were called clean, and `unsure` are all that were underpowered.
    """

    audit: str
    finding: str
    sensitivity: Estimate
    false_alarms: Estimate
    missed: int
    unsure: int
    curve: tuple[Point, ...]

    @property
    def holds(self) -> bool:
        return self.sensitivity.value >= SENSITIVITY and self.false_alarms.value <= FALSE_ALARMS

    @property
    def row(self) -> dict[str, Any]:
        rates = {name: getattr(self, name)._asdict() for name in ("sensitivity", "false_alarms")}
        return asdict(self) | rates | {"holds": self.holds}


def self_test(audit: Audit[Any], cases: int, seed: int = 0) -> Tested:
    """An audit on `cases` planted and as many clean cases, each of a seed of its own."""
    planted, clean = (
        [audit(make(1_000_003 * seed + i), "") for i in range(cases)] for make in (audit.planted, audit.clean)
    )
    rates = [stats.proportion(sum(f.verdict == "flagged" for f in found), cases) for found in (planted, clean)]
    missed = sum(f.verdict == "clean" for f in planted)
    unsure = sum(f.verdict == "underpowered" for f in planted + clean)
    return Tested(audit.failure, audit.name, rates[0], rates[1], missed, unsure, _curve(planted, clean))


def _curve(planted: Sequence[Finding], clean: Sequence[Finding]) -> tuple[Point, ...]:
    """The operating curve: thresholds at which a case more or less is flagged."""
    hits, alarms = ([f.low for f in found if f.low is not None and not f.unmet] for found in (planted, clean))
    return tuple(
        Point(t, sum(low > t for low in hits) / len(planted), sum(low > t for low in alarms) / len(clean))
        for t in sorted({*hits, *alarms})
    )
