"""Which mitigation helps, by how much, and what may be said of it: tests against the baseline, Holm over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..audits.audit import detectable
from ..maths import clusters, stats
from ..maths.stats import Estimate
from ..protocols import Floats
from .curves import AtKL, Curve, compare
from .findings import intent_of, optimised, size_of
from .mitigations import AGAIN, Watch

LEVEL = 0.05
"""Chance, over all mitigations and both comparisons, of calling any difference real that isn't."""

ALONE = "PPO against a single reward model"


@dataclass(frozen=True)
class Course:
    """A mitigation on the prompts that measure it. `stopped`: it is the baseline's course, ended earlier."""

    name: str
    title: str
    stage: str
    rests_on: tuple[str, ...]
    curve: Curve
    note: str = ""
    stopped: bool = False

    @property
    def control(self) -> bool:
        """Whether it is no mitigation at all, but the baseline trained again."""
        return self.name == AGAIN

    @property
    def slice(self) -> str:
        """What evals.json calls it."""
        return f"mitigation={self.name}"


@dataclass(frozen=True)
class Gain:
    """A mean difference from the baseline, paired by prompt and clustered by question, and its p after Holm."""

    estimate: Estimate
    p_holm: float

    @property
    def holds(self) -> bool:
        return self.p_holm < LEVEL and not self.estimate.low <= 0.0 <= self.estimate.high

    def row(self) -> dict[str, Any]:
        """With the smallest true difference that would have been seen four times in five."""
        return {
            **self.estimate._asdict(), "p_holm": self.p_holm, "holds": self.holds,
            "detectable": detectable(self.estimate, 0.0),
        }  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """A mitigation against the baseline: both at their ends, and at equal KL where both courses are trained."""

    course: Course
    end: Gain
    equal_kl: Gain | None = None
    levels: tuple[AtKL, ...] = ()

    def row(self) -> dict[str, Any]:
        """As hacking.json holds it."""
        levels = [{"kl_nats": level.kl_nats, **level.difference._asdict()} for level in self.levels]
        equal = {**self.equal_kl.row(), "levels": levels} if self.equal_kl else None
        return {"end": self.end.row(), "equal_kl": equal}


def outcomes(baseline: Course, courses: Sequence[Course], gauge: str) -> list[Outcome]:
    """Each mitigation minus the baseline in the gauge; p adjusted over all of these tests (Holm 1979)."""
    last, questions = baseline.curve.probed.values[gauge][-1], baseline.curve.probed.questions
    ends = [course.curve.probed.values[gauge][-1] - last for course in courses]
    equal = [None if course.stopped else compare(baseline.curve, course.curve, gauge) for course in courses]
    differences = [*ends, *(one.per_prompt for one in equal if one)]
    if not differences:
        return []
    p = stats.holm([p_value(one, questions) for one in differences])
    tested = (Gain(clusters.mean(one, questions), float(p_holm)) for one, p_holm in zip(differences, p, strict=True))
    at_end = [next(tested) for _ in ends]
    return [
        Outcome(course, end, next(tested), one.levels) if one else Outcome(course, end)
        for course, end, one in zip(courses, at_end, equal, strict=True)
    ]


def p_value(differences: Floats, questions: Sequence[str]) -> float:
    """Two-sided p of Student's t for a mean of 0 over prompts, clustered by question, (P,) both."""
    return clusters.p_value(differences, np.zeros(len(differences)), questions)


def sentences(baseline: Course, found: Sequence[Outcome], watches: Sequence[Watch], gauge: str) -> list[str]:
    """What helps at the end and at equal KL, what chance in training does, what there was to help against, and who set
    the stops."""
    intent, mitigated = intent_of(gauge), [one for one in found if not one.course.control]
    said = [*_at_the_end(mitigated, intent), _at_equal_kl(mitigated, intent)]
    said += [_by_chance(one, intent) for one in found if one.course.control]
    return [*said, _alone(baseline, gauge), _watched(watches)]


def _at_the_end(found: Sequence[Outcome], intent: str) -> list[str]:
    tests = [(one.course.title, one.end) for one in found]
    more, less = _more(tests), _less(tests)
    if more:
        (title, most), *others = more
        share = f"{len(more)} of {len(found)} mitigations end"
        said = [f"{share} with more {intent} than {ALONE}; most with {title}, by {most.estimate}."]
        said += [f"{_plural(others, 'Then comes', 'Then come')} {_listed(others)}."] if others else []
    else:
        n = max(one.end.estimate.n for one in found)
        none = f"None of {len(found)} mitigations ends with more {intent} than {ALONE}"
        said = [f"{none}, as far as {n:,} questions tell."]
    return [*said, *([f"With less {intent} {_plural(less, 'ends', 'end')} {_listed(less)}."] if less else [])]


def _plural(several: Sequence[object], one: str, more: str) -> str:
    return one if len(several) == 1 else more


def _at_equal_kl(found: Sequence[Outcome], intent: str) -> str:
    tests = [(one.course.title, one.equal_kl) for one in found if one.equal_kl]
    if not tests:
        return f"None reaches a KL in common with {ALONE}."
    more, less = _more(tests), _less(tests)
    parts = [f"{word} {intent} with {_listed(some)}" for word, some in (("more", more), ("less", less)) if some]
    if not parts:
        return f"At equal KL none of {len(tests)} can be told from {ALONE}."
    unclear = len(tests) - len(more) - len(less)
    return f"At equal KL there is {' and '.join(parts)}; {unclear} of {len(tests)} can't be told from {ALONE}."


def _by_chance(again: Outcome, intent: str) -> str:
    at_equal = f", and by {again.equal_kl.estimate} at equal KL" if again.equal_kl else ""
    return (
        f"Trained again with another seed, {ALONE} itself ends with {intent} that differs by {again.end.estimate}"
        f"{at_equal}: gains of that size may come of chance in training, which no interval over prompts holds."
    )


def _alone(baseline: Course, gauge: str) -> str:
    said = optimised(baseline.curve, gauge)
    return f"{ALONE}{said[said.index(':') :]}"


def _watched(watches: Sequence[Watch]) -> str:
    names = {"gold": "gold"}
    peaks = [
        f"{names.get(w.gauge, 'the validation reward model')} peaks at step {w.step} (KL {w.kl_nats:.1f} nats, "
        f"proxy {w.proxy:.2f})"
        for w in watches
    ]
    return f"On its course, over {watches[0].n:,} validation prompts, {' and '.join(peaks)}."


def _more(tests: Sequence[tuple[str, Gain]]) -> list[tuple[str, Gain]]:
    """Those that lie above the baseline for certain, the highest first."""
    return sorted((t for t in tests if t[1].holds and t[1].estimate.value > 0), key=lambda t: -t[1].estimate.value)


def _less(tests: Sequence[tuple[str, Gain]]) -> list[tuple[str, Gain]]:
    return sorted((t for t in tests if t[1].holds and t[1].estimate.value < 0), key=lambda t: t[1].estimate.value)


def _listed(tests: Sequence[tuple[str, Gain]]) -> str:
    *rest, last = [f"{title} by {size_of(tested.estimate)}" for title, tested in tests]
    return f"{', '.join(rest)} and {last}" if rest else last
