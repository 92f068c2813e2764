"""The frontier: every method against KL, compared at equal KL, and after the raters have changed their minds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import PLAIN, STYLES, Point, Series, Style, Words, line_chart
from ..folder import Row, RunData, estimate, finite, root
from ..frontier import ChangedRaters, Comparison, Curve, Frontier
from ..notation import Estimate, metric, model, nats, number, places_of, sample_sizes, size
from .curve import tick_rows
from .lanes import Group, Lanes, draw
from .lanes import Row as Lane
from .section import Section

HEIGHT = 210.0
METRICS = ("rater_utility", "proxy")
"""What is shown beneath the gauge of intent, where it was measured."""
NOTES = {
    "gold": "The true intent.",
    "heldout_proxy": "A reward model that no policy saw, trained on other preferences. No gold reward is known here.",
    "rater_utility": "What the raters who gave the labels like, before their noise.",
    "proxy": "What best-of-n and PPO raise. DPO never reads it.",
}
SETTINGS = {"kl_coef": "kl_coef", "beta": "β"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric of every method against the distance from the SFT model."""

    metric: str
    note: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: a method at one setting, at its last checkpoint. `over`: it fell beyond chance."""

    name: str
    style: Style
    default: bool
    kl: str
    estimates: tuple[Estimate | None, ...]
    fall: Estimate | None
    peak: str
    over: bool
    seconds: float | None
    added_mib: float | None


def frontier(run: RunData) -> Section | None:
    """The curves and the table of frontier.json, the comparisons, and who followed the changed raters."""
    found = run.frontier
    if found is None or not found.curves:
        return None
    present = {key for curve in found.curves for row in curve.points for key in row}
    shown = [key for key in dict.fromkeys((found.gauge, *METRICS)) if key in present]
    lines = [_line(curve, shown) for curve in found.curves if _known(curve)]
    columns = [[line.estimates[i] for line in lines] for i in range(len(shown))]
    content = {
        "panels": _panels(found, shown),
        "legend": _legend(found),
        "metrics": [(key, places_of(filter(None, column))) for key, column in zip(shown, columns, strict=True)],
        "lines": lines,
        "falls": places_of(line.fall for line in lines if line.fall),
        "sizes": sample_sizes(e.n for column in columns for e in column if e) if lines and shown else "",
        "gauge": found.gauge,
        "said": found.sentences[:1],
        **_equal(found),
        "changed": _changed(found, found.changed_raters) if found.changed_raters else None,
    }
    return Section("frontier", "The frontier: what each method reaches at each KL", content)


def _panels(found: Frontier, shown: Sequence[str]) -> list[Panel]:
    x = nice_axis([0.0, *(root(row["kl_nats"]) for curve in found.curves for row in _known(curve))], 6, snug=True)
    return [_panel(found, key, x, last=key == shown[-1]) for key in shown]


def _panel(found: Frontier, key: str, x: Axis, *, last: bool) -> Panel:
    series = [made for curve in found.curves if (made := _series(curve, key)).points]
    bounds = [bound for one in series for p in one.points for bound in ((p.low, p.high) if one.band else (p.y,))]
    chart = line_chart(
        Words(f"frontier-{key}", f"{metric(key)} of each method against the square root of KL", _described(found, key)),
        series,
        x,
        nice_axis(bounds, 4),
        height=HEIGHT,
        rows=tick_rows(x) if last else (),
    )
    return Panel(key, NOTES.get(key, ""), chart)


def _series(curve: Curve, key: str) -> Series:
    """A curve's line; the bands of settings that don't stand for their method would hide one another."""
    measured = [(row, e) for row in _known(curve) if (e := estimate(row, key))]
    points = tuple(
        Point(root(row["kl_nats"]), e.value, e.low, e.high, f"{_at(curve, row)}, {nats(row['kl_nats'])}: {_told(e)}")
        for row, e in measured
    )
    style = STYLES.get(curve.model, PLAIN)
    label = curve.setting.partition("=")[2] if curve.setting else ""
    return Series(replace(style, dashed=style.dashed and not curve.setting), points, band=curve.default, label=label)


def _known(curve: Curve) -> list[Row]:
    return [row for row in curve.points if finite(row.get("step")) and finite(row.get("kl_nats"))]


def _told(e: Estimate) -> str:
    return f"{e.text(places_of([e]))}, {size(e.n)}"


def _at(curve: Curve, row: Row) -> str:
    return f"best of {row['step']:,}" if curve.model == "best-of-n" else f"{_name(curve)}, step {row['step']:,}"


def _name(curve: Curve) -> str:
    """`PPO, kl_coef 0.03`."""
    if not curve.setting:
        return model(curve.model)
    key, _, value = curve.setting.partition("=")
    return f"{model(curve.model)}, {SETTINGS.get(key, key)} {value}"


def _described(found: Frontier, key: str) -> str:
    ends = [(curve, e) for curve in found.curves if (rows := _known(curve)) and (e := estimate(rows[-1], key))]
    return " ".join(f"{_name(curve)} ends at {_told(e)}." for curve, e in ends)


def _legend(found: Frontier) -> list[tuple[Style, str]]:
    """The methods; of those with several settings, what the numbers at the lines' ends are."""
    entries: dict[str, tuple[Style, str]] = {}
    for curve in found.curves:
        key = curve.setting.partition("=")[0] if curve.setting else ""
        style = STYLES.get(curve.model, PLAIN)
        label = f"{model(curve.model)}{f', by {SETTINGS.get(key, key)}' if key else ''}"
        entries.setdefault(curve.model, (replace(style, dashed=style.dashed and not key), label))
    return list(entries.values())


def _line(curve: Curve, shown: Sequence[str]) -> Line:
    last = _known(curve)[-1]
    peak = curve.peak
    fell = peak is not None and peak.step < last["step"]
    fall = Estimate(peak.drop, peak.drop_low, peak.drop_high, peak.n) if peak and fell else None
    place = number(peak.kl_nats, 1) if peak and fell else "the end" if peak else ""
    name = f"best of {last['step']:,}" if curve.model == "best-of-n" else _name(curve)
    return Line(
        name, STYLES.get(curve.model, PLAIN), curve.default, number(max(0.0, last["kl_nats"]), 1),
        tuple(estimate(last, key) for key in shown), fall, place,
        bool(fall and fall.low > 0), curve.seconds, curve.added_mib,
    )  # fmt: skip


def _equal(found: Frontier) -> dict[str, object]:
    """DPO minus PPO at equal KL: against the PPO that stands for its method, and against the others."""
    curves = {curve.stage: curve for curve in found.curves}
    known = [one for one in found.equal_kl if one.first in curves and one.second in curves and one.levels]
    main = [one for one in known if curves[one.first].default]
    others = [one for one in known if not curves[one.first].default]
    return {
        "against": _name(curves[main[0].first]) if main else "",
        "equal": _compared(main, curves),
        "others": _compared(others, curves),
    }


def _compared(comparisons: Sequence[Comparison], curves: Mapping[str, Curve]) -> Lanes | None:
    groups = [
        Group(
            _name(curves[one.second]),
            (f"minus {_name(curves[one.first])}",),
            (
                *(
                    Lane(f"KL {level.kl_nats:g} nats", STYLES.get(curves[one.second].model, PLAIN), level.estimate)
                    for level in one.levels
                ),
                Lane("mean of these", PLAIN, one.estimate),
            ),
            zero=True,
        )
        for one in comparisons
    ]
    return draw(groups, [0.0]) if groups else None


def _changed(whole: Frontier, found: ChangedRaters) -> dict[str, object]:
    """Who followed the changed raters: levels, and paired differences."""
    names = [f"{model(policy.model)}, {policy.about}" for policy in found.policies]
    rows = tuple(
        Lane(name, STYLES.get(p.model, PLAIN), p.estimate) for name, p in zip(names, found.policies, strict=True)
    )
    gaps = tuple(Lane(f"{names[d.second]} − {names[d.first]}", PLAIN, d.estimate) for d in found.differences)
    share, settings = found.disagreement, {curve.stage: _name(curve) for curve in whole.curves}
    return {
        "settings": [settings.get(stage, stage) for stage in (found.ppo, found.dpo)],
        "share": f"{number(100 * share.value, 0)}% [{number(100 * share.low, 0)}%, {number(100 * share.high, 0)}%]",
        "pairs": share.n,
        "levels": draw([Group("Their utility", ("higher is better →",), rows)]),
        "gaps": draw([Group("Differences", ("paired by prompt",), gaps, zero=True)], [0.0]) if gaps else None,
    }
