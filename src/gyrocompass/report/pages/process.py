"""Outcome against process supervision: errors of answers and traces, best-of-n, chains with their step scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import PLAIN, Point, Series, Style, TickRow, Words, line_chart
from ..folder import RunData
from ..notation import Estimate, count, number, sentence
from ..process import Chain, Curve, Errors, Process
from .lanes import Group, Lanes, Row, draw
from .section import Section

HEIGHT = 200.0
CHECKER = "checker"
METRICS = {"answer_error": "answer error", "trace_error": "trace error among right answers"}
SCORERS = {
    "checker": "the checker itself",
    "orm": "outcome reward model",
    "prm": "process reward model, on the checker’s labels",
    "mc-soft": "process reward model, on soft Monte-Carlo labels",
    "mc-hard": "process reward model, on hard Monte-Carlo labels",
    "implicit": "implicit process reward model, on outcomes",
    "majority": "majority of answers",
}
POLICIES = {"sft": "SFT", "outcome-rl": "outcome RL", "process-rl": "process RL", "mona": "MONA"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart of one error against n."""

    title: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """A step in words, whether the checker finds it right, and each model's number for it."""

    text: str
    right: bool
    scores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A chain as a table; `verdict` says what its answer and its steps are, `outcome` is the outcome reward
    model's number for the whole."""

    prompt: str
    verdict: str
    lines: tuple[Line, ...]
    outcome: str


def process(run: RunData) -> Section | None:
    """The study of process.json."""
    found = run.process
    if found is None:
        return None
    scored = [name for name in SCORERS if any(name in one.scores for one in found.shown)]
    columns = [name for name in scored if name not in (CHECKER, "orm")]
    content = {
        "found": found,
        "errors": _errors(found),
        "differences": _differences(found),
        "panels": [_panel(metric, found.best_of.curves, found.best_of.sizes) for metric in METRICS],
        "keys": [(_style(curve.scorer), SCORERS.get(curve.scorer, curve.scorer)) for curve in found.best_of.curves],
        "located": _located(found),
        "columns": columns,
        "shown": [_shown(one, columns) for one in found.shown],
        "over": "seeds" if found.seeds > 1 else "questions",
    }
    return Section("process", "Steps: outcome against process supervision", content)


def _errors(found: Process) -> Lanes:
    groups = [
        Group(
            sentence(words),
            (),
            tuple(Row(POLICIES.get(one.model, one.model), PLAIN, _of(one, metric)) for one in found.policies),
        )
        for metric, words in METRICS.items()
    ]
    return draw(groups, [0.0])


def _differences(found: Process) -> Lanes | None:
    groups = [
        Group(
            f"{POLICIES.get(one.model, one.model)} minus {POLICIES.get(one.over, one.over)}",
            (),
            tuple(Row(metric.replace("_", " "), PLAIN, _of(one, metric)) for metric in METRICS),
            zero=True,
        )
        for one in found.differences
    ]
    return draw(groups, [0.0]) if groups else None


def _of(errors: Errors, metric: str) -> Estimate | None:
    found = errors.answer_error if metric == "answer_error" else errors.trace_error
    return found.estimate if found else None


def _located(found: Process) -> Lanes | None:
    rows = tuple(Row(one.scorer, _style(one.scorer), one.error_f1.estimate) for one in found.located)
    return draw([Group("Earliest error", ("F1 of two accuracies",), rows)], [0.0, 1.0]) if rows else None


def _panel(metric: str, curves: Sequence[Curve], sizes: Sequence[int]) -> Panel:
    series = [_series(curve, metric) for curve in curves]
    y = nice_axis([0.0, *(bound for one in series for p in one.points for bound in (p.low, p.high))], 4)
    x = Axis(math.log2(sizes[0]), math.log2(max(sizes[-1], 2)), tuple(math.log2(n) for n in sizes))
    title = f"{sentence(METRICS[metric])} of the best of n"
    last = {curve.scorer: _of(curve.points[-1], metric) for curve in curves}
    ends = [f"{scorer} {number(e.value) if e else 'not measured'}" for scorer, e in last.items()]
    told = f"At n = {count(sizes[-1])}: {', '.join(ends)}."
    chart = line_chart(
        Words(f"process-{metric}", title, told), series, x, y, height=HEIGHT,
        rows=[TickRow("n", tuple(count(n) for n in sizes))],
    )  # fmt: skip
    return Panel(title, chart)


def _series(curve: Curve, metric: str) -> Series:
    points = tuple(
        Point(math.log2(one.n), e.value, e.low, e.high, f"{curve.scorer}, n = {one.n}: {e.text(3)}")
        for one in curve.points
        if (e := _of(one, metric))
    )
    return Series(_style(curve.scorer), points, band=False)


def _style(scorer: str) -> Style:
    shapes = ("ring", "square", "disc", "diamond", "triangle", "diamond", "ring")
    place = list(SCORERS).index(scorer) if scorer in SCORERS else 0
    return Style(f"scorer-{place}", shapes[place], dashed=scorer in (CHECKER, "majority"))


def _shown(chain: Chain, columns: Sequence[str]) -> Shown:
    checked = chain.scores.get(CHECKER, ())
    lines = tuple(
        Line(step, i < len(checked) and checked[i] >= 0.5, tuple(_number(chain.scores.get(c, ()), i) for c in columns))
        for i, step in enumerate(chain.steps)
    )
    outcome = chain.scores.get("orm", ())
    answer = "Right answer" if chain.right else "Wrong answer"
    steps = "right steps" if chain.traced else "wrong steps"
    return Shown(chain.prompt, f"{answer}, {steps}", lines, _number(outcome, 0))


def _number(scores: Sequence[float], i: int) -> str:
    return number(scores[i]) if i < len(scores) else ""
