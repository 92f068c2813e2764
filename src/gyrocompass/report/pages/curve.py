"""Proxy against gold: what optimisation did to the proxy, to the raters and to the intent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import PLAIN, STYLES, Point, Rule, Series, TickRow, Words, line_chart
from ..folder import Row, RunData, estimate, finite
from ..notation import Estimate, metric, model, nats, number, places_of, sample_sizes, sentence, size
from .section import Section

PANEL_HEIGHT = 164.0
GAP = 34.0
"""Pixels, as in the style sheet: a panel's height and the space between two."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric against the distance from the reference."""

    metric: str
    note: str
    places: int
    first: Estimate
    last: Estimate
    method: str
    chart: Markup


def curve(run: RunData) -> Section | None:
    """The run's probes of proxy, raters' utility and target against sqrt(KL), a panel each."""
    probes = [row for row in run.probes if _distance(row) is not None]
    shown = [key for key in ("proxy", "rater_utility", run.target) if _has(probes, key)]
    if not probes or not shown:
        return None
    methods = list(dict.fromkeys(str(row.get("stage")) for row in probes))
    peak = [_root(run.peak.kl_nats)] if run.peak else []
    x = nice_axis([0.0, *peak, *(_distance(row) or 0.0 for row in probes)], 6, snug=True)
    panels = [_panel(run, key, probes, methods, x, shown) for key in shown]
    content = {
        "panels": panels,
        "methods": [(method, _label(method, probes)) for method in methods],
        "sizes": sample_sizes(int(row["n"]) for row in probes if finite(row.get("n"))),
        "metrics": shown,
        "places": {panel.metric: panel.places for panel in panels},
        "rows": [_table_row(row, shown) for row in probes],
        "finding": _finding(run, probes, panels[0].method),
    }
    return Section("curve", f"Proxy against {'gold' if run.gold_name else 'a held-out reward model'}", content)


def _distance(row: Row) -> float | None:
    """The square root of KL from the reference policy, in root nats."""
    kl = row.get("kl_nats")
    return _root(float(kl)) if finite(kl) and kl is not None else None


def _root(kl_nats: float) -> float:
    """An estimate of KL may fall below 0, where the distance is 0."""
    return math.sqrt(max(0.0, kl_nats))


def _has(probes: Sequence[Row], key: str) -> bool:
    return any(estimate(row, key) for row in probes)


def _panel(
    run: RunData, key: str, probes: Sequence[Row], methods: Sequence[str], x: Axis, shown: Sequence[str]
) -> Panel:
    found = {stage: _estimates(probes, stage, key) for stage in methods}
    every = [e for pairs in found.values() for _, e in pairs]
    places = places_of(every)
    y = nice_axis([bound for e in every for bound in (e.low, e.high)], 4)
    series = [
        Series(STYLES.get(stage, PLAIN), tuple(_point(row, e, stage, places) for row, e in pairs))
        for stage, pairs in found.items()
    ]
    method = next(stage for stage in ("ppo", *methods) if found.get(stage))
    ends = found[method]
    top, bottom = key == shown[0], key == shown[-1]
    chart = line_chart(
        Words(f"curve-{key}", f"{metric(key)} against the square root of KL", _description(found, places)),
        series,
        x,
        y,
        height=PANEL_HEIGHT,
        rows=_tick_rows(x) if bottom else (),
        rule=_rule(run, top=top),
    )
    return Panel(key, _note(run, key), places, ends[0][1], ends[-1][1], method, chart)


def _estimates(probes: Sequence[Row], stage: str, key: str) -> list[tuple[Row, Estimate]]:
    return [(row, e) for row in probes if row.get("stage") == stage and (e := estimate(row, key))]


def _label(method: str, probes: Sequence[Row]) -> str:
    steps = [row.get("step") for row in probes if row.get("stage") == method]
    return (
        f"best-of-n, n from {steps[0]} to {steps[-1]}" if method == "best-of-n" else f"{model(method)} checkpoints"
    )


def _point(row: Row, e: Estimate, stage: str, places: int) -> Point:
    note = f"{_at(stage, row)}, {nats(row['kl_nats'])}: {e.text(places)}, {size(e.n)}"
    return Point(_distance(row) or 0.0, e.value, e.low, e.high, note)


def _at(stage: str, row: Row) -> str:
    return f"best of {row.get('step')}" if stage == "best-of-n" else f"{model(stage)}, step {row.get('step')}"


def _description(found: dict[str, list[tuple[Row, Estimate]]], places: int) -> str:
    sentences = [
        f"{model(stage)} goes from {pairs[0][1].text(places)} at {nats(pairs[0][0]['kl_nats'])} "
        f"to {pairs[-1][1].text(places)} at {nats(pairs[-1][0]['kl_nats'])}."
        for stage, pairs in found.items()
        if pairs
    ]
    return " ".join([*sentences, "The table below the figure has every point."])


def _tick_rows(x: Axis) -> tuple[TickRow, TickRow]:
    return TickRow("√KL", x.labels), TickRow("KL", tuple(f"{tick**2:.3g}" for tick in x.ticks))


def _rule(run: RunData, *, top: bool) -> Rule | None:
    if run.peak is None:
        return None
    label = f"{'gold' if run.gold_name else 'held-out model'} peaks at {nats(run.peak.kl_nats)}" if top else ""
    return Rule(_root(run.peak.kl_nats), label, above=12 if top else GAP)


def _note(run: RunData, key: str) -> str:
    notes = {
        "proxy": f"What the policy was trained to raise: {run.proxy_name or 'a reward model'}.",
        "rater_utility": "What the raters who gave the labels like, before their noise.",
        "gold": f"The true intent: {run.gold_name}.",
        "heldout_proxy": "A reward model that the policy never saw, trained on other preferences.",
    }
    return notes[key]


def _finding(run: RunData, probes: Sequence[Row], method: str) -> str:
    """What the figure shows, said with its numbers."""
    target = [e for _, e in _estimates(probes, method, run.target)]
    if run.peak is None:
        changes = [_change(probes, method, key) for key in (run.target, "proxy")]
        return " ".join([*filter(None, changes), f"The run marks no peak of {_who(run)}."])
    peak, places = run.peak, places_of(target)
    drop = Estimate(peak.drop, peak.drop_low, peak.drop_high, peak.n)
    first = (
        f"{sentence(_who(run))} peaks at {number(peak.gold, places)} at step {peak.step:,}, "
        f"{nats(peak.kl_nats)}, and ends at {number(peak.last_gold, places)}: "
        f"a drop of {drop.text(places)}, {size(peak.n)}."
    )
    chance = "That interval holds 0, so the drop may be chance." if peak.drop_low <= 0 else ""
    later = [row for row in probes if (row.get("step") or 0) >= peak.step]
    return " ".join(filter(None, [first, chance, _change(later, method, "proxy")]))


def _change(probes: Sequence[Row], method: str, key: str) -> str:
    """A metric at the first and the last of these probes, in a sentence; empty where there are not two."""
    pairs = _estimates(probes, method, key)
    if len(pairs) < 2:
        return ""
    (start, first), (end, last) = pairs[0], pairs[-1]
    places = places_of(e for _, e in pairs)
    return (
        f"From step {start.get('step')} to step {end.get('step')} the {metric(key)} goes from "
        f"{first.text(places)} to {last.text(places)}, {sample_sizes([first.n, last.n])}."
    )


def _who(run: RunData) -> str:
    return "gold" if run.gold_name else "the held-out reward model"


def _table_row(row: Row, shown: Sequence[str]) -> dict[str, object]:
    return {
        "at": _at(str(row.get("stage")), row),
        "kl": row["kl_nats"],
        "distance": _distance(row),
        "n": row.get("n"),
        "estimates": [estimate(row, key) for key in shown],
    }
