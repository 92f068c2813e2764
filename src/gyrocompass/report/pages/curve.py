"""Proxy against gold: what optimisation did to the proxy, to the raters and to the intent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import PLAIN, STYLES, Point, Rule, Series, Style, TickRow, Words, line_chart
from ..fitted import Fitted, fitted
from ..folder import Probe, RunData
from ..notation import Estimate, metric, model, nats, number, places_of, sample_sizes, sentence, size
from .section import Section

PANEL_HEIGHT = 164.0
GAP = 34.0
"""Pixels, as in the style sheet: a panel's height and the space between two."""
BEST_OF_N = "best-of-n"

Path = Sequence[tuple[Probe, Estimate]]


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
    """The run's proxy, raters' utility and target against sqrt(KL), a panel each, unless it compares courses.

    Where the courses were audited, the target has the forms that were fitted to it too.
    """
    if run.frontier is not None or run.hacking is not None:
        return None
    told = fitted(run.audits)
    run = _with_pool(run, told.get(BEST_OF_N))
    shown = [key for key in ("proxy", "rater_utility", run.target) if any(key in p.estimates for p in run.probes)]
    if not shown:
        return None
    methods = list(dict.fromkeys(probe.method for probe in run.probes))
    marked = [run.peak.distance] if run.peak else []
    x = nice_axis([0.0, *marked, *(probe.distance for probe in run.probes)], 6, snug=True)
    forms = {method: told[method] for method in methods if method in told and told[method].gauge == run.target}
    panels = [
        _panel(run, key, methods, x, forms if key == run.target else {}, top=key == shown[0], bottom=key == shown[-1])
        for key in shown
    ]
    content = {
        "panels": panels,
        "methods": [*((method, _label(run, method)) for method in methods), *_legend(forms)],
        "forms": forms,
        "rows": [(_at(probe), probe) for probe in run.probes],
        "sizes": sample_sizes(probe.n for probe in run.probes),
        "finding": _finding(run, panels[0].method),
    }
    return Section("curve", f"Proxy against {_who(run).replace('the ', 'a ')}", content)


def _with_pool(run: RunData, pool: Fitted | None) -> RunData:
    """The run with best-of-n as its audit measured it, which goes further, in place of what the run itself logged."""
    if pool is None:
        return run
    logged = tuple(row for row in run.metrics if row.get("stage") != BEST_OF_N)
    return replace(run, metrics=(*logged, *({"stage": BEST_OF_N, **row} for row in pool.points)))


def _legend(forms: Mapping[str, Fitted]) -> list[tuple[Style, str]]:
    drawn = any(form.fit for form in forms.values())
    return [(Style("plain fitted", "ring", dashed=True), "fitted form and its peak d*")] if drawn else []


def _panel(
    run: RunData, key: str, methods: Sequence[str], x: Axis, forms: Mapping[str, Fitted], *, top: bool, bottom: bool
) -> Panel:
    paths = {method: path for method in methods if (path := _path(run, method, key))}
    every = [e for path in paths.values() for _, e in path]
    places = places_of(every)
    lines, marks = _forms(paths, forms)
    bounds = [bound for e in every for bound in (e.low, e.high)]
    chart = line_chart(
        Words(f"curve-{key}", f"{metric(key)} against the square root of KL", _description(paths, places)),
        [*lines, *(_series(method, path, places) for method, path in paths.items()), *marks],
        x,
        nice_axis([*bounds, *(point.y for one in (*lines, *marks) for point in one.points)], 4),
        height=PANEL_HEIGHT,
        rows=tick_rows(x) if bottom else (),
        rule=_rule(run, top=top),
    )
    method = next(method for method in ("ppo", *methods) if method in paths)
    (_, first), (_, last) = paths[method][0], paths[method][-1]
    return Panel(key, _note(run, key), places, first, last, method, chart)


def _forms(paths: Mapping[str, Path], forms: Mapping[str, Fitted]) -> tuple[list[Series], list[Series]]:
    """The fitted line of each path, from the path's own beginning to its furthest point; and the peaks."""
    lines: list[Series] = []
    marks: list[Series] = []
    for method, form in forms.items():
        if path := paths.get(method):
            css, start = STYLES.get(method, PLAIN).css, path[0][1].value
            end = max(probe.distance for probe, _ in path)
            lines += [line] if (line := form.line(css, start, end)) else []
            marks += form.marks(css, start, end)
    return lines, marks


def _path(run: RunData, method: str, key: str) -> Path:
    """What a method's probes found of a metric, in the order logged."""
    return [(p, p.estimates[key]) for p in run.probes if p.method == method and key in p.estimates]


def _series(method: str, path: Path, places: int) -> Series:
    notes = [f"{_at(probe)}, {nats(probe.kl_nats)}: {e.text(places)}, {size(e.n)}" for probe, e in path]
    points = (Point(probe.distance, e.value, e.low, e.high, note) for (probe, e), note in zip(path, notes, strict=True))
    return Series(STYLES.get(method, PLAIN), tuple(points))


def _at(probe: Probe) -> str:
    """Which policy a probe measured: `PPO, step 20` or `best of 16`."""
    best = probe.method == "best-of-n"
    return f"best of {probe.step:,}" if best else f"{model(probe.method)}, step {probe.step:,}"


def _label(run: RunData, method: str) -> str:
    steps = [probe.step for probe in run.probes if probe.method == method]
    best = method == "best-of-n"
    return f"best-of-n, n from {min(steps):,} to {max(steps):,}" if best else f"{model(method)} checkpoints"


def _description(paths: Mapping[str, Path], places: int) -> str:
    sentences = [
        f"{model(method)} goes from {path[0][1].text(places)} at {nats(path[0][0].kl_nats)} "
        f"to {path[-1][1].text(places)} at {nats(path[-1][0].kl_nats)}."
        for method, path in paths.items()
    ]
    return " ".join([*sentences, "The table below the figure has every point."])


def tick_rows(x: Axis) -> tuple[TickRow, TickRow]:
    """Labels of an axis of √KL: the root, and the KL itself beneath."""
    return TickRow("√KL", x.labels), TickRow("KL", tuple(f"{tick**2:.3g}" for tick in x.ticks))


def _rule(run: RunData, *, top: bool) -> Rule | None:
    if run.peak is None:
        return None
    label = f"{'gold' if run.target == 'gold' else 'held-out model'} peaks at {nats(run.peak.kl_nats)}"
    return Rule(run.peak.distance, label if top else "", above=12 if top else GAP)


def _note(run: RunData, key: str) -> str:
    notes = {
        "proxy": f"What the policy was trained to raise: {run.proxy_name or 'a reward model'}.",
        "rater_utility": "What the raters who gave the labels like, before their noise.",
        "gold": f"The true intent: {run.gold_name or 'known here, as it seldom is'}.",
        "heldout_proxy": "A reward model that the policy never saw, trained on other preferences.",
    }
    return notes[key]


def _finding(run: RunData, method: str) -> str:
    """What the figure shows, said with its numbers."""
    path = _path(run, method, run.target)
    if run.peak is None:
        changes = (_change(run, method, key) for key in (run.target, "proxy"))
        return " ".join([*filter(None, changes), f"The run marks no peak of {_who(run)}."])
    peak, places = run.peak, places_of(e for _, e in path)
    top = next((e.text(places) for probe, e in path if probe.step == peak.step), number(peak.gold, places))
    end = path[-1][1].text(places) if path else number(peak.last_gold, places)
    drop = Estimate(peak.drop, peak.drop_low, peak.drop_high, peak.n)
    first = (
        f"{sentence(_who(run))} peaks at {top} at step {peak.step:,}, {nats(peak.kl_nats)}, and ends at {end}: "
        f"a drop of {drop.text(places)}, {size(peak.n)}."
    )
    chance = "That interval holds 0, so the drop may be chance." if peak.drop_low <= 0 else ""
    return " ".join(filter(None, [first, chance, _change(run, method, "proxy", peak.step)]))


def _change(run: RunData, method: str, key: str, since: int = 0) -> str:
    """A metric at the first and the last probe since a step, in a sentence; empty where there are not two."""
    path = [(probe, e) for probe, e in _path(run, method, key) if probe.step >= since]
    if len(path) < 2:
        return ""
    (start, first), (end, last) = path[0], path[-1]
    places = places_of(e for _, e in _path(run, method, key))
    return (
        f"From step {start.step:,} to step {end.step:,} the {metric(key)} goes from "
        f"{first.text(places)} to {last.text(places)}, {sample_sizes([first.n, last.n])}."
    )


def _who(run: RunData) -> str:
    return "gold" if run.target == "gold" else "the held-out reward model"
