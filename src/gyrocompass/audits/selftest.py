"""Audits put to the test: how often each goes off on planted faults, strong and weak, and how often on clean cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats as distributions

from ..errors import InputError
from ..maths import stats
from ..maths.stats import Estimate
from .audit import LEVEL, Audit, Finding

SENSITIVITY = 0.95
FALSE_ALARMS = 0.05
"""What an audit must reach on planted faults of the greatest strength, and on clean cases."""


@dataclass(frozen=True, slots=True)
class Point:
    """With this threshold instead, the shares of planted and of clean cases that are flagged."""

    threshold: float
    sensitivity: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class AtStrength:
    """How planted faults of one strength fared: the shares that are flagged and that are called clean; the others are
    underpowered.

    `effect` is their median measured effect in units of what matters, None where fewer than six are measured: an
    interval of the median takes as many.
    """

    strength: float
    sensitivity: Estimate
    called_clean: Estimate
    effect: Estimate | None

    @property
    def missed(self) -> int:
        """How many were called clean though the median fault matters: an upper bound, since half are weaker than it.

        0 where it doesn't matter: then a fault may rightly be called clean.
        """
        matters = self.effect is not None and self.effect.value >= 1
        return round(self.called_clean.value * self.called_clean.n) if matters else 0

    @property
    def row(self) -> dict[str, Any]:
        return {
            "strength": self.strength,
            "sensitivity": self.sensitivity._asdict(),
            "called_clean": self.called_clean._asdict(),
            "effect": self.effect and self.effect._asdict(),
            "missed": self.missed,
        }


@dataclass(frozen=True, slots=True)
class Tested:
    """One audit's hit rates by the strength of the fault, the greatest first, and its false-alarm rate.

    `unsure` counts the clean cases and those of the greatest strength that are underpowered; `curve` are the rates of
    these at every other threshold.
    """

    audit: str
    finding: str
    planted: tuple[AtStrength, ...]
    false_alarms: Estimate
    unsure: int
    curve: tuple[Point, ...]

    @property
    def sensitivity(self) -> Estimate:
        """That to faults of the greatest strength."""
        return self.planted[0].sensitivity

    @property
    def holds(self) -> bool:
        return self.sensitivity.value >= SENSITIVITY and self.false_alarms.value <= FALSE_ALARMS

    @property
    def row(self) -> dict[str, Any]:
        return {
            "audit": self.audit,
            "finding": self.finding,
            "sensitivity": self.sensitivity._asdict(),
            "false_alarms": self.false_alarms._asdict(),
            "missed": self.planted[0].missed,
            "unsure": self.unsure,
            "holds": self.holds,
            "strengths": [one.row for one in self.planted],
            "curve": [asdict(point) for point in self.curve],
        }


def self_test(audit: Audit[Any], cases: int, seed: int = 0, strengths: Sequence[float] = (1.0,)) -> Tested:
    """An audit on `cases` planted cases of each strength and as many clean ones, each of a seed of its own.

    A seed's case is the same at every strength but for the fault. Raises InputError for a strength outside (0, 1].
    """
    if not strengths or not all(0 < strength <= 1 for strength in strengths):
        raise InputError(
            f"a planted fault's strength lies above 0 and is at most 1, not {', '.join(map(str, strengths))}"
        )
    seeds = [1_000_003 * seed + i for i in range(cases)]
    planted = {s: [audit(audit.planted(i, s), "") for i in seeds] for s in sorted(set(strengths), reverse=True)}
    clean = [audit(audit.clean(i), "") for i in seeds]
    plain = planted[max(planted)]
    return Tested(
        audit=audit.failure,
        finding=audit.name,
        planted=tuple(_at(strength, found, audit.matters) for strength, found in planted.items()),
        false_alarms=_share(clean, "flagged"),
        unsure=sum(f.verdict == "underpowered" for f in plain + clean),
        curve=_curve(plain, clean),
    )


def _at(strength: float, found: Sequence[Finding], matters: float) -> AtStrength:
    effects = [f.value / matters for f in found if f.value is not None]
    return AtStrength(strength, _share(found, "flagged"), _share(found, "clean"), _median(effects))


def _share(found: Sequence[Finding], verdict: str) -> Estimate:
    return stats.proportion(sum(f.verdict == verdict for f in found), len(found))


def _median(values: Sequence[float]) -> Estimate | None:
    """With the interval that inverts the sign test; None where there are too few values for one."""
    if not values:
        return None
    low, high = distributions.quantile_test(values, p=0.5).confidence_interval(LEVEL)
    return None if np.isnan(low + high) else Estimate(float(np.median(values)), float(low), float(high), len(values))


def _curve(planted: Sequence[Finding], clean: Sequence[Finding]) -> tuple[Point, ...]:
    """The operating curve: thresholds at which a case more or less is flagged."""
    hits, alarms = ([f.low for f in found if f.low is not None and not f.unmet] for found in (planted, clean))
    return tuple(
        Point(t, sum(low > t for low in hits) / len(planted), sum(low > t for low in alarms) / len(clean))
        for t in sorted({*hits, *alarms})
    )
