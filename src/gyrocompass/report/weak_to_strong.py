"""What `weak_to_strong.json` holds: a supervisor, students of its labels and of controls, and the ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat, PositiveInt

from .spectrum import Measured


@dataclass(frozen=True)
class Student:
    """A way to learn from labels that may be wrong. `pgr` is None where the gap to the ceiling can't be told from 0.

    `repeated` is the share of its supervisor's errors that the student makes too, None where these are too few; a
    control's supervisor is no model, but gold labels made wrong.
    """

    name: str
    control: bool
    supervisor: Measured
    accuracy: Measured
    gap: Measured
    gained: Measured
    agreement: Measured
    pgr: Measured | None = None
    repeated: Measured | None = None
    repeated_by_ceiling: Measured | None = None


@dataclass(frozen=True)
class OfKind:
    """Accuracies by model on one kind of prompt."""

    kind: str
    accuracies: dict[str, Measured]


@dataclass(frozen=True)
class ShownCase:
    """A case on which the supervisor is wrong, and the probability of a yes by model."""

    prompt: str
    responses: tuple[str, ...]
    gold: bool
    p_yes: dict[str, FiniteFloat]
    kind: str | None = None


@dataclass(frozen=True)
class WeakToStrong:
    """All students of a run; a yes means that a response is acceptable, or that the first of two is the better one."""

    task: Literal["acceptable", "preferred"]
    seeds: PositiveInt
    train: PositiveInt
    test: PositiveInt
    weak: Measured
    ceiling: Measured
    students: tuple[Student, ...]
    kinds: tuple[OfKind, ...] = ()
    cases: tuple[ShownCase, ...] = ()
