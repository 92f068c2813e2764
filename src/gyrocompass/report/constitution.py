"""What `constitution.json` holds: what critique and revision by principles did. `folder.read` reads and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat, NonNegativeInt

from .spectrum import Measured


@dataclass(frozen=True)
class Step:
    """A response: the first one, or what a principle made of it after a critique."""

    text: str
    principle: str = ""
    critique: str = ""
    marks: tuple[str, ...] = ()
    gold: FiniteFloat | None = None


@dataclass(frozen=True)
class Shown:
    """A chain to be read. `worse`: gold likes its end less than its beginning."""

    prompt: str
    steps: tuple[Step, ...]
    kind: str | None = None
    worse: bool = False


@dataclass(frozen=True)
class Acted:
    """A principle: in how many rounds it was drawn, how many of these changed the response, what was marked, and on
    what share gold fell and rose."""

    id: str
    drawn: NonNegativeInt
    changed: NonNegativeInt
    marks: Mapping[str, int]
    tags: tuple[str, ...] = ()
    worse: Measured | None = None
    better: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class Rate(Measured):
    """A share of held-out responses after so many rounds; 0 is the first response."""

    rate: str
    rounds: NonNegativeInt


@dataclass(frozen=True)
class Constitution:
    """Chains of critique and revision. `acted` counts their rounds; `unrevised` chains have no revision. `judged`: how
    the judge was shown responses."""

    name: str
    hash: str
    rounds: NonNegativeInt
    critiques: bool
    chains: NonNegativeInt
    unrevised: NonNegativeInt
    acted: NonNegativeInt
    marks: Mapping[str, int]
    judged: Literal["singly", "in pairs"] = "in pairs"
    principles: tuple[Acted, ...] = ()
    rates: tuple[Rate, ...] = ()
    shown: tuple[Shown, ...] = ()
