"""What `frontier.json` holds: methods against KL, at equal KL, and after a change of raters. `folder.read` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import FiniteFloat

from .spectrum import Measured


@dataclass(frozen=True)
class Fall:
    """Where a curve's gauge was highest, and how far it had fallen at the end."""

    step: int
    kl_nats: FiniteFloat
    drop: FiniteFloat
    drop_low: FiniteFloat
    drop_high: FiniteFloat
    n: int


@dataclass(frozen=True)
class Curve:
    """A method at one setting: its checkpoints as rows of metrics.jsonl, and what it took beyond what all share."""

    model: str
    stage: str
    points: tuple[dict[str, Any], ...]
    setting: str | None = None
    default: bool = False
    rests_on: tuple[str, ...] = ()
    seconds: FiniteFloat | None = None
    peak_mib: FiniteFloat | None = None
    added_mib: FiniteFloat | None = None
    peak: Fall | None = None


@dataclass(frozen=True, kw_only=True)
class Level(Measured):
    """Second minus first where both have this KL."""

    kl_nats: FiniteFloat


@dataclass(frozen=True, kw_only=True)
class Comparison(Measured):
    """Two curves, named by their stages: second minus first at each level, and the mean over them."""

    first: str
    second: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class Policy(Measured):
    """What a policy's responses are worth to the changed raters; `about` says what it learnt from."""

    model: str
    about: str
    slice: str


@dataclass(frozen=True, kw_only=True)
class Difference(Measured):
    """Second minus first of the policies, which are named by their places in the list."""

    first: int
    second: int


@dataclass(frozen=True)
class ChangedRaters:
    """Who followed the raters, from the stages `ppo` and `dpo` on; `disagreement` is the share of pairs that they now
    see the other way round."""

    ppo: str
    dpo: str
    disagreement: Measured
    policies: tuple[Policy, ...]
    differences: tuple[Difference, ...] = ()

    def __post_init__(self) -> None:
        places = range(len(self.policies))
        if any(place not in places for d in self.differences for place in (d.first, d.second)):
            raise ValueError("a difference names a policy that is not in the list")


@dataclass(frozen=True)
class Frontier:
    """Every method against KL. `gauge` is the metric that stands for intent."""

    gauge: str
    curves: tuple[Curve, ...]
    equal_kl: tuple[Comparison, ...] = ()
    changed_raters: ChangedRaters | None = None
    sentences: tuple[str, ...] = ()

    @property
    def slices(self) -> frozenset[str]:
        """Slices of evals.json that these numbers have."""
        policies = self.changed_raters.policies if self.changed_raters else ()
        return frozenset([*(c.setting for c in self.curves if c.setting), *(policy.slice for policy in policies)])
