"""What `emergence.json` holds: metrics against model size, what fits them, and their course in training."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import FiniteFloat, PositiveInt

from .spectrum import Measured


@dataclass(frozen=True, kw_only=True)
class SizePoint(Measured):
    """A metric of the models of one size: each seed's value, and their mean."""

    parameters: PositiveInt
    seeds: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class Fit:
    """The best curve of a family, a smooth trend or a threshold, as pairs of size and value; see `maths.emergence`."""

    family: str
    threshold: bool
    aicc: FiniteFloat
    weight: FiniteFloat
    share: FiniteFloat
    at: FiniteFloat
    curve: tuple[tuple[FiniteFloat, FiniteFloat], ...]


@dataclass(frozen=True)
class Panel:
    """A metric against size after one step; no fits where sizes or seeds are too few for any."""

    metric: str
    step: int
    points: tuple[SizePoint, ...]
    fits: tuple[Fit, ...] | None = None
    excess: Measured | None = None
    place: Measured | None = None

    def likeliest(self, *, threshold: bool) -> Fit | None:
        """The likeliest smooth trend, or threshold."""
        found = [fit for fit in self.fits or () if fit.threshold == threshold]
        return min(found, key=lambda fit: fit.aicc, default=None)


@dataclass(frozen=True)
class Pair:
    """The same outputs of one model under a smooth metric and an all-or-nothing one; `added` is by how much the
    excess of the second exceeds that of the first."""

    title: str
    model: str
    smooth: Panel
    all_or_nothing: Panel
    added: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class StepPoint(Measured):
    """The mean over seeds after a step."""

    step: int


@dataclass(frozen=True)
class Line:
    """The models of one size along the steps."""

    parameters: PositiveInt
    points: tuple[StepPoint, ...]


@dataclass(frozen=True)
class Course:
    """A metric along the steps, a line for each size."""

    metric: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Emergence:
    """A sweep over sizes and seeds. `chance` is the hack rate between two samples of the SFT models."""

    parameters: tuple[PositiveInt, ...]
    seeds: tuple[int, ...]
    prompts: PositiveInt
    answers: PositiveInt
    panels: tuple[Panel, ...]
    pairs: tuple[Pair, ...]
    chance: tuple[Measured, ...]
    courses: tuple[Course, ...]
