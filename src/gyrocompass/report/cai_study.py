"""What `cai_study.json` holds: Constitutional AI over several seeds. `folder.read` reads and checks it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import NonNegativeInt, PositiveInt

from .spectrum import Measured


@dataclass(frozen=True, kw_only=True)
class Revised(Measured):
    """A share of held-out responses after so many rounds, with or without critiques; n counts questions."""

    critiques: bool
    rounds: NonNegativeInt
    rate: str


@dataclass(frozen=True, kw_only=True)
class Rated(Measured):
    """A share of a model's responses to some kind of prompt, None for all that it is about; n counts seeds."""

    model: str
    rate: str
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Apart(Rated):
    """How much more a model has of a rate than the one it is set against."""

    against: str


@dataclass(frozen=True)
class CAIStudy:
    """Rates of revised responses and of models, and what sets the models apart."""

    seeds: tuple[int, ...]
    prompts: PositiveInt
    revisions: tuple[Revised, ...] = ()
    models: tuple[Rated, ...] = ()
    differences: tuple[Apart, ...] = ()
