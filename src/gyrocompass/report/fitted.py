"""Fitted forms of over-optimisation, as findings of `audits.json` tell them; docs/methods/overoptimisation.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from ..audits.audit import Finding
from ..errors import InputError
from ..maths.overoptimisation import BEST_OF_N, RL
from .charts import Point, Series, Style
from .notation import number

FINDING = "over-optimisation"
"""What the names of such findings begin with."""
FORMS = {"best-of-n": BEST_OF_N, "rl": RL}
FORMULAS = {"best-of-n": "d (α − β d)", "rl": "d (α − β log d)"}
STEPS = 48
"""Pieces of a drawn form."""


@dataclass(frozen=True)
class Bounded:
    """A parameter with its interval over prompts; None is infinite."""

    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: int

    @property
    def text(self) -> str:
        """`0.20 [0.01, 0.42]`; `none [0.31, ∞)` where there is no value."""
        value = "none" if self.value is None else number(self.value)
        low = "∞" if self.low is None else number(self.low)
        return f"{value} [{low}, " + ("∞)" if self.high is None else f"{number(self.high)}]")


@dataclass(frozen=True)
class Fit:
    """What was fitted; `peak` is d*, root nats, `height` the change there. `extrapolated`: no point lies as far."""

    alpha: Bounded
    beta: Bounded
    peak: Bounded
    height: Bounded
    points: int
    r_squared: FiniteFloat | None = None
    extrapolated: bool = False


@dataclass(frozen=True)
class Stop:
    """The point to stop at, and where its model was kept, if it was."""

    at: str
    kept: str | None = None


@dataclass(frozen=True)
class Fitted:
    """A course's form: of PPO, of DPO, or of best-of-n. `points` are rows as of metrics.jsonl."""

    course: str
    gauge: str
    form: Literal["best-of-n", "rl"]
    stop: Stop
    points: tuple[dict[str, Any], ...]
    fit: Fit | None = None
    unfitted: str = ""

    @property
    def formula(self) -> str:
        return FORMULAS[self.form]

    def line(self, css: str, start: float, end: float) -> Series | None:
        """The form from the reference, where it is `start`, to the distance `end`; None if nothing was fitted."""
        fit = self.fit
        if fit is None or fit.alpha.value is None or fit.beta.value is None:
            return None
        distances = np.linspace(0, end, STEPS + 1)
        heights = start + FORMS[self.form](distances, fit.alpha.value, fit.beta.value)
        points = tuple(Point(float(d), y, y, y) for d, y in zip(distances, map(float, heights), strict=True))
        return Series(Style(f"{css} fitted", "ring", dashed=True), points, markers=False, band=False)

    def marks(self, css: str, start: float, end: float) -> list[Series]:
        """The peak and its interval, cut at the distance `end`; none where the form has no peak before."""
        fit = self.fit
        if fit is None or fit.peak.value is None or fit.peak.value > end or fit.height.value is None:
            return []
        level = start + fit.height.value
        bounds = (0.0 if fit.peak.low is None else fit.peak.low, end if fit.peak.high is None else fit.peak.high)
        ends = tuple(Point(min(x, end), level, level, level) for x in bounds)
        top = Point(fit.peak.value, level, level, level, f"peak of the fitted form: d* = {fit.peak.text}")
        return [
            Series(Style(f"{css} whisker", "ring"), ends, markers=False, band=False),
            Series(Style(css, "ring"), (top,), band=False),
        ]


def fitted(findings: Iterable[Finding]) -> dict[str, Fitted]:
    """What was fitted to each course that was measured, by its name.

    Raises InputError if a finding's detail isn't as its audit writes it.
    """
    details = [found.detail for found in findings if found.finding.startswith(FINDING) and found.detail]
    try:
        every = [TypeAdapter(Fitted).validate_python(detail) for detail in details]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"audits.json: {FINDING}: {where}: {first['msg']}; run gyro audit again") from None
    return {one.course: one for one in every}
