"""Model size: capability, proxy, gold, gap and hack rate against parameters, and whether anything jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import Point, Series, Style, TickRow, Words, line_chart
from ..emergence import Course, Emergence, Fit, Line, Pair, Panel
from ..folder import RunData
from ..notation import Estimate, places_of, sample_sizes, sentence, significant, size
from .section import Section

HEIGHT = 132.0
SHADES = 8
"""Shades of the style sheet, from the smallest size to the largest."""
MOST_LABELS = 4
SEED, MEAN = Style("seed", "disc"), Style("plain", "disc")
TREND, THRESHOLD, CHANCE = (Style(name, "disc", dashed=True) for name in ("trend", "threshold", "chance"))
NAMES = {
    "capability": ("capability", "Share of held-out questions answered right."),
    "proxy": ("proxy", "The raters’ utility, which PPO raises."),
    "gold": ("gold", "The true intent."),
    "gap": ("gap", "Proxy minus gold; a right answer is worth 1 to both."),
    "hack_rate": ("hack rate", "Share of prompts on which the response is rated higher and is worth less than before."),
    "answer_logprob": ("log-probability of the right wording", "Nats a token, its mean."),
    "exact": ("exact matches", "Share of sampled answers that are the right wording, whole."),
    "gap_gained": ("gap gained in training", "Growth of proxy minus gold, its mean."),
}


@dataclass(frozen=True, slots=True)
class Small:
    """A small chart under its title; `excess` is the share of the change beyond a trend's in the steepest window."""

    title: str
    note: str
    chart: Markup
    excess: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Small charts of the same outputs, smooth and all or nothing; `added`: by how much the second's excess is more."""

    title: str
    sides: tuple[tuple[str, Small], ...]
    added: Estimate | None


@dataclass(frozen=True, slots=True)
class FitRow:
    """A row of the table of fits."""

    title: str
    trend: str
    threshold: str
    weight: float
    excess: Estimate
    place: str


def emergence(run: RunData) -> Section | None:
    """The sweep of emergence.json."""
    found = run.emergence
    if found is None or not found.panels:
        return None
    paired = [panel for pair in found.pairs for panel in (pair.smooth, pair.all_or_nothing)]
    panels = {(panel.metric, panel.step): panel for panel in (*found.panels, *paired)}.values()
    columns = [[point.estimate for point in panel.points] for panel in found.panels]
    content = {
        "seeds": len(found.seeds),
        "sizes": len(found.parameters),
        "prompts": sample_sizes([found.prompts]),
        "answers": sample_sizes([found.answers]),
        "panels": [_by_size(panel, found, f"emergence-{panel.metric}") for panel in found.panels],
        "pairs": [_pair(pair, found) for pair in found.pairs],
        "courses": [_course(course) for course in found.courses],
        "shades": [(_shade(i, len(found.parameters)), short(n)) for i, n in enumerate(found.parameters)],
        "keys": _keys(found),
        "columns": [(_title(p), min(3, places_of(c))) for p, c in zip(found.panels, columns, strict=True)],
        "rows": [(short(n), [column[i] for column in columns]) for i, n in enumerate(found.parameters)],
        "fits": [row for panel in panels if (row := _fit_row(panel))],
    }
    return Section("emergence", "Model size: what grows, and what jumps", content)


def _keys(found: Emergence) -> list[tuple[Style, str]]:
    fitted = any(panel.fits for panel in found.panels)
    fits = [(TREND, "likeliest smooth trend"), (THRESHOLD, "likeliest threshold")] if fitted else []
    return [(MEAN, "mean, with its 95% interval"), (SEED, "one seed"), *fits, (CHANCE, "by chance")]


def _by_size(panel: Panel, found: Emergence, chart_id: str) -> Small:
    chance = found.chance if panel.metric == "hack_rate" else ()
    measured = [*(_seeds(panel, i) for i in range(len(found.seeds))), _mean(panel)]
    drawn = measured[:-1]
    if chance:
        points = zip(found.parameters, chance, strict=True)
        drawn.append(_plain(CHANCE, [(math.log2(n), e.value) for n, e in points]))
    for style, threshold in ((TREND, False), (THRESHOLD, True)):
        fit = panel.likeliest(threshold=threshold)
        if fit:
            drawn.append(_plain(style, [(math.log2(n), value) for n, value in fit.curve]))
    drawn.append(measured[-1])
    x = _size_axis(found.parameters)
    words = Words(chart_id, f"{_title(panel)} against model size, in parameters", _described(panel))
    y = nice_axis([bound for one in measured for p in one.points for bound in (p.low, p.high)], 3)
    chart = line_chart(words, drawn, x, y, height=HEIGHT, rows=[TickRow("", _size_labels(found.parameters))])
    excess = panel.excess.estimate if panel.excess else None
    return Small(sentence(_title(panel)), NAMES.get(panel.metric, ("", ""))[1], chart, excess)


def _pair(pair: Pair, found: Emergence) -> Compared:
    panels = {"smooth": pair.smooth, "all or nothing": pair.all_or_nothing}
    sides = ((kind, _by_size(p, found, f"emergence-{pair.title}-{p.metric}")) for kind, p in panels.items())
    return Compared(pair.title, tuple(sides), pair.added.estimate if pair.added else None)


def _seeds(panel: Panel, i: int) -> Series:
    return _plain(SEED, [(math.log2(point.parameters), point.seeds[i]) for point in panel.points])


def _plain(style: Style, places: Sequence[tuple[float, float]]) -> Series:
    return Series(style, tuple(Point(x, y, y, y) for x, y in places), markers=False, band=False)


def _mean(panel: Panel) -> Series:
    places = places_of(point.estimate for point in panel.points)
    return Series(
        MEAN,
        tuple(
            Point(
                math.log2(p.parameters), p.value, p.low, p.high,
                f"{short(p.parameters)} parameters: {p.estimate.text(places)}, {size(p.n)} seeds",
            )
            for p in panel.points
        ),
    )  # fmt: skip


def _described(panel: Panel) -> str:
    places = places_of(point.estimate for point in panel.points)
    ends = (panel.points[0], panel.points[-1])
    first, last = (f"{p.estimate.text(places)} at {short(p.parameters)} parameters" for p in ends)
    return f"From {first} to {last}, {sample_sizes(p.n for p in panel.points)} seeds."


def _course(course: Course) -> Small:
    drawn = [_line(line, _shade(i, len(course.lines))) for i, line in enumerate(course.lines)]
    x = nice_axis([p.x for one in drawn for p in one.points], 3, snug=True)
    y = nice_axis([p.y for one in drawn for p in one.points], 3)
    title, note = NAMES.get(course.metric, (course.metric, ""))
    ends = [f"{short(line.parameters)} parameters end at {significant(line.points[-1].value)}" for line in course.lines]
    words = Words(f"emergence-course-{course.metric}", f"{title} against steps of PPO", f"{'; '.join(ends)}.")
    return Small(sentence(title), note, line_chart(words, drawn, x, y, height=HEIGHT, rows=[TickRow("", x.labels)]))


def _line(line: Line, style: Style) -> Series:
    points = tuple(
        Point(
            p.step, p.value, p.low, p.high, f"{short(line.parameters)} parameters, step {p.step}: {_told(p.estimate)}"
        )
        for p in line.points
    )
    return Series(style, points, band=False)


def _told(e: Estimate) -> str:
    return f"{e.text(places_of([e]))}, {size(e.n)} seeds"


def _shade(i: int, n: int) -> Style:
    return Style(f"shade shade-{round(i * (SHADES - 1) / max(1, n - 1))}", "disc")


def _size_axis(parameters: Sequence[int]) -> Axis:
    ticks = tuple(math.log2(n) for n in parameters)
    room = 0.02 * (ticks[-1] - ticks[0])
    return Axis(ticks[0] - room, ticks[-1] + room, ticks)


def _size_labels(parameters: Sequence[int]) -> tuple[str, ...]:
    """Some sizes in words, no more than there is room for; the last one always."""
    every = -(-(len(parameters) - 1) // (MOST_LABELS - 1)) or 1
    last = len(parameters) - 1
    return tuple(short(n) if (last - i) % every == 0 else "" for i, n in enumerate(parameters))


def short(n: float) -> str:
    """`18k`, `0.89M`, `7.0B`."""
    unit, mark = next((pair for pair in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if n >= 0.1 * pair[0]), (1.0, ""))
    return f"{significant(n / unit, 2)}{mark}" if mark else f"{n:.0f}"


def _title(panel: Panel) -> str:
    return NAMES.get(panel.metric, (panel.metric.replace("_", " "), ""))[0]


def _fit_row(panel: Panel) -> FitRow | None:
    trend, threshold = (panel.likeliest(threshold=kind) for kind in (False, True))
    if not (trend and threshold and panel.excess and panel.fits):
        return None
    weight = sum(fit.weight for fit in panel.fits if fit.threshold)
    place = panel.place if panel.excess.low > 0 else None
    near = f"{short(place.value)} [{short(place.low)}, {short(place.high)}]" if place else ""
    title = f"{sentence(_title(panel))}{', before PPO' if panel.step == 0 else ''}"
    return FitRow(title, _shared(trend), _shared(threshold), weight, panel.excess.estimate, near)


def _shared(fit: Fit) -> str:
    return f"{fit.family}, {fit.share:.0%}"
