"""What `process.json` holds: outcome against process supervision. `folder.read` reads and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import FiniteFloat, PositiveInt

from .spectrum import Measured


@dataclass(frozen=True)
class Errors:
    """How often an answer is wrong, and how often a right one came by wrong steps; None where none is right."""

    answer_error: Measured
    trace_error: Measured | None


@dataclass(frozen=True)
class Trained(Errors):
    """A policy's errors, over all seeds and of each."""

    model: str
    seeds: tuple[Errors, ...] = ()


@dataclass(frozen=True)
class Difference(Errors):
    """A policy's errors minus those of another."""

    model: str
    over: str


@dataclass(frozen=True)
class Point(Errors):
    """The errors of the response chosen from n."""

    n: PositiveInt


@dataclass(frozen=True)
class Curve:
    """A way to choose among n responses."""

    scorer: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class BestOf:
    sizes: tuple[PositiveInt, ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Located:
    """How well a model of steps finds the earliest error: the harmonic mean of two accuracies."""

    scorer: str
    error_f1: Measured


@dataclass(frozen=True)
class Chain:
    """A response to be read: its steps, and each scorer's numbers for them; an outcome scorer has one for the whole."""

    prompt: str
    right: bool
    traced: bool
    count: PositiveInt
    steps: tuple[str, ...]
    scores: Mapping[str, tuple[FiniteFloat, ...]]


@dataclass(frozen=True)
class Process:
    """The study: `slips` of the demonstrators' sums are wrong anew each time, `habits` of all there are always;
    `rewards` says who pays the policies."""

    seeds: PositiveInt
    slips: FiniteFloat
    habits: FiniteFloat
    rewards: str
    aggregate: str
    policies: tuple[Trained, ...]
    best_of: BestOf
    differences: tuple[Difference, ...] = ()
    located: tuple[Located, ...] = ()
    shown: tuple[Chain, ...] = ()
