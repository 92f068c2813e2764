"""What `hacking.json` holds: PPO against one reward model, and under mitigations. `folder.read` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import FiniteFloat

from .frontier import Level
from .spectrum import Measured


@dataclass(frozen=True, kw_only=True)
class Gain(Measured):
    """A mitigation minus the baseline, paired by prompt; `holds` after Holm's adjustment over the whole file."""

    p_holm: FiniteFloat
    holds: bool
    detectable: FiniteFloat | None = None


@dataclass(frozen=True, kw_only=True)
class AtEqualKL(Gain):
    """The mean over these levels."""

    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Course:
    """A mitigation's checkpoints as rows of metrics.jsonl, and its tests; the baseline has none."""

    name: str
    title: str
    stage: str
    slice: str
    points: tuple[dict[str, Any], ...]
    note: str = ""
    stopped: bool = False
    rests_on: tuple[str, ...] = ()
    seconds: FiniteFloat | None = None
    end: Gain | None = None
    equal_kl: AtEqualKL | None = None


@dataclass(frozen=True)
class Watch:
    """The checkpoint of the baseline at which a gauge peaked, over n prompts kept for that."""

    gauge: str
    at: int
    step: int
    kl_nats: FiniteFloat
    proxy: FiniteFloat
    n: int


@dataclass(frozen=True)
class Hacking:
    """The baseline's course first, then the mitigations'. Raises ValueError if there is no course."""

    gauge: str
    courses: tuple[Course, ...]
    watches: tuple[Watch, ...] = ()
    sentences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.courses:
            raise ValueError("there is no course, not even the baseline's")

    @property
    def slices(self) -> frozenset[str]:
        """Slices of evals.json that these numbers have."""
        return frozenset(course.slice for course in self.courses)
