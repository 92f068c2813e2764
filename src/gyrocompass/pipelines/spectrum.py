"""Models side by side: the five properties on the same prompts, who wins against whom, what differs for certain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from ..evals.eval import Answer, Eval, Metric
from ..evals.measure import Difference, difference
from ..evals.suite import Suite
from ..feedback.judge import ModelJudge, Verdict, position_bias
from ..files import write_json
from ..maths import calibration, ratings, stats
from ..maths.stats import Estimate
from ..protocols import Floats, Judge, Pair
from ..records import PROPERTIES, Measurement
from ..run import Run
from .evaluate import Found, Plan

NORMAL_QUANTILE = 1.959964
"""Half the width of a 95% interval, in standard errors."""
LEVEL = 0.05
"""Chance, over all properties and pairs of models, of calling any difference real that isn't."""


def spectrum(run: Run, names: Sequence[str], plan: Plan, found: Found) -> dict[str, Any]:
    """Compares the models and writes spectrum.json; docs/run-folder.md says what it holds."""
    suite = plan.suite
    pairs = list(combinations(names, 2))
    differences = _differences(suite, found, pairs)
    wins = {pair: _wins(suite, found, *pair) for pair in pairs} if suite.judge else {}
    content: dict[str, Any] = {
        "suite": suite.name,
        "prompts": plan.prompts,
        "seed": plan.seed,
        "models": list(names),
        "headlines": [
            {"property": e.property, "metric": e.metrics[0].name, "better": e.metrics[0].better}
            for e in suite.headlines()
        ],
        "not_measured": _not_measured(names, suite, found),
        "differences": differences,
        "judge": suite.judge_name,
        "position_bias": _position_bias(wins),
        "win_rates": [_win_row(*pair, won) for pair, won in wins.items() if won and won.judged],
        "ratings": _ratings(names, wins),
        "reliability": _reliability(names, found),
        "sentences": [row["sentence"] for row in differences if row["holds"]],
    }
    run.measure(_win_measurements(content["win_rates"]))
    write_json(run.folder / "spectrum.json", content)
    return content


def _differences(suite: Suite, found: Found, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The headline of each property, second minus first; p adjusted over all of these tests (Holm 1979)."""
    tested: list[tuple[Eval, str, str, Difference]] = []
    for (first, second), e in product(pairs, suite.headlines()):
        one, two = found.of(first, e), found.of(second, e)
        change = difference(e.metrics[0], one.answers, two.answers) if one and two else None
        if change is not None:
            tested.append((e, first, second, change))
    if not tested:
        return []
    adjusted = stats.holm([change.p for *_, change in tested])
    return [_row(*test, float(p)) for test, p in zip(tested, adjusted, strict=True)]


def _row(e: Eval, first: str, second: str, change: Difference, p: float) -> dict[str, Any]:
    metric, found = e.metrics[0], change.estimate
    holds = p < LEVEL and not found.low <= 0.0 <= found.high
    return {
        "property": e.property,
        "metric": metric.name,
        "first": first,
        "second": second,
        **found._asdict(),
        "p_holm": p,
        "detectable": _detectable(found),
        "holds": holds,
        "sentence": _sentence(e, metric, first, second, found, p) if holds else "",
    }


def _detectable(found: Estimate) -> float:
    """The smallest true difference that a test of this n and spread would find four times in five."""
    sd = (found.high - found.low) / 2 / NORMAL_QUANTILE * math.sqrt(found.n)
    return round(stats.minimum_detectable_effect(sd, found.n), 6)


def _sentence(e: Eval, metric: Metric, first: str, second: str, found: Estimate, p: float) -> str:
    """What changed from the first model to the second, and whether for the better."""
    rose = found.value > 0
    verdict = "" if metric.better == "zero" else ": better" if rose == (metric.better == "high") else ": worse"
    size, low, high = (abs(found.value), *sorted((abs(found.low), abs(found.high))))
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return (
        f"{e.property.capitalize()}: {metric.name.replace('_', ' ')} {'rises' if rose else 'falls'} by {size:.2f} "
        f"[{low:.2f}, {high:.2f}] from {first} to {second} (n = {found.n:,}, {chance} after Holm){verdict}."
    )


@dataclass(frozen=True)
class Wins:
    """Per prompt whether the first of two models was preferred (1, 0.5 for a tie, 0), how many words longer its
    response is, and the question that the prompt shares with others."""

    p_first: Floats
    longer_words: Floats
    questions: list[str]
    verdicts: list[Verdict]
    """What a judge said in either order; none from a judge by score, which has no order."""

    @property
    def judged(self) -> bool:
        """Whether the judge gave any verdict."""
        return not bool(np.isnan(self.p_first).all())

    def rate(self) -> Estimate:
        return ratings.win_rate(self.p_first, self.questions)

    def count(self) -> tuple[int, int, int]:
        """Won, lost, tied; abstentions count in none."""
        p = self.p_first
        return int((p > 0.5).sum()), int((p < 0.5).sum()), int((p == 0.5).sum())


def _wins(suite: Suite, found: Found, first: str, second: str) -> Wins | None:
    """Judges the two models' responses to each compared prompt; equal responses are ties, unasked."""
    assert suite.judge is not None
    both: list[tuple[Answer, Answer]] = []
    for e in (part.eval for part in suite.parts if part.eval.name in suite.compared):
        one, two = found.of(first, e), found.of(second, e)
        if one and two:
            both += [(a, b) for a, b in zip(one.answers, two.answers, strict=True) if a.marks and b.marks]
    if not both:
        return None
    pairs = [Pair(a.example.prompt, a.example.response or "", b.example.response or "") for a, b in both]
    p = np.full(len(pairs), 0.5)
    unequal = [i for i, pair in enumerate(pairs) if pair.first != pair.second]
    p[unequal], verdicts = _judged(suite.judge, [pairs[i] for i in unequal])
    longer = np.array([len(pair.first.split()) - len(pair.second.split()) for pair in pairs], dtype=np.float64)
    return Wins(p, longer, [str(a.example.meta.get("question", i)) for i, (a, _) in enumerate(both)], verdicts)


def _judged(judge: Judge, pairs: Sequence[Pair]) -> tuple[Floats, list[Verdict]]:
    if not isinstance(judge, ModelJudge):
        return judge(pairs), []
    verdicts = judge.judged(pairs)
    return np.array([verdict.p_first for verdict in verdicts], dtype=np.float64), verdicts


def _position_bias(wins: Mapping[tuple[str, str], Wins | None]) -> dict[str, Any] | None:
    """None for a judge by score, and for one that gave no verdict."""
    verdicts = [verdict for won in wins.values() if won for verdict in won.verdicts]
    answered = [verdict for verdict in verdicts if not np.isnan(verdict.p_first)]
    return position_bias(answered)._asdict() if answered else None


def _win_row(first: str, second: str, won: Wins) -> dict[str, Any]:
    tied = won.count()[2] / len(won.p_first)
    return {"first": first, "second": second, **won.rate()._asdict(), "ties": tied,
            "length_controlled": _length_controlled(won)}  # fmt: skip


def _length_controlled(won: Wins) -> dict[str, float] | None:
    """None where lengths or preferences don't vary, so that nothing can be said at equal length."""
    try:
        found = ratings.length_controlled_win_rate(won.p_first, won.longer_words, won.questions)
    except ValueError:
        return None
    return {"value": found.value, "low": found.low, "high": found.high}


def _win_measurements(rows: Sequence[dict[str, Any]]) -> list[Measurement]:
    """The later model against each earlier one."""
    return [
        Measurement(row["second"], "instruction", "win_rate", 1 - row["value"], 1 - row["high"], 1 - row["low"],
                    row["n"], slice=f"against {row['first']}")
        for row in rows
    ]  # fmt: skip


def _ratings(names: Sequence[str], wins: Mapping[tuple[str, str], Wins | None]) -> list[dict[str, Any]]:
    """Bradley-Terry log-strengths with mean 0, from all pairs of models."""
    known = {pair: won.count() for pair, won in wins.items() if won and won.judged}
    if not known:
        return []
    names = [name for name in names if any(name in pair for pair in known)]
    place = {name: i for i, name in enumerate(names)}
    won, tied = np.zeros((2, len(names), len(names)))
    for (first, second), (one, two, ties) in known.items():
        a, b = place[first], place[second]
        won[a, b], won[b, a] = one, two
        tied[a, b] = tied[b, a] = ties
    strengths = ratings.bradley_terry(won, tied).strengths
    return [{"model": name, **e._asdict()} for name, e in zip(names, strengths, strict=True)]


def _reliability(names: Sequence[str], found: Found) -> list[dict[str, Any]]:
    """Confidence against accuracy in bins, wherever an eval has the two."""
    charts = []
    for measured in found.measured.values():
        for metric in measured.eval.metrics:
            if metric.name == "ece":
                rows = np.array([case.values for case in metric.cases(measured.answers)], dtype=np.float64)
                bins = calibration.reliability(rows) if len(rows) > 1 else []
                charts.append({
                    "model": measured.model,
                    "source": metric.slice,
                    "bins": [{"confidence": b.confidence, **b.accuracy._asdict()} for b in bins],
                })  # fmt: skip
    return [chart for name in names for chart in charts if chart["model"] == name and chart["bins"]]


def _not_measured(names: Sequence[str], suite: Suite, found: Found) -> list[dict[str, Any]]:
    """What an eval couldn't measure of a model, and every property that the suite has no eval of."""
    covered = {part.eval.property for part in suite.parts}
    missing = [asdict(row) for row in found.missing]
    return missing + [
        {"model": name, "eval": "", "property": p, "reason": f"the suite {suite.name} was not asked for it"}
        for p in PROPERTIES if p not in covered for name in names
    ]  # fmt: skip
