"""Charts as inline SVG: pure functions from numbers to markup.

A chart is as wide as its place and its text is never scaled: x is in percent, y in pixels, and lines live in a
nested drawing that stretches. Tick labels hang over the edges; the style sheet keeps the margins for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

from markupsafe import Markup

from .axes import Axis
from .labels import labels
from .notation import Estimate
from .svg import element, percent, rounded

SHAPES = {
    "disc": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
    "ring": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
    "diamond": "M0-5.5L5.5 0L0 5.5L-5.5 0Z",
    "square": "M-4-4H4V4H-4Z",
    "triangle": "M0-5.5L5.5 4H-5.5Z",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How a model or a method is drawn: a class of the style sheet, a marker's shape, a dashed line or not."""

    css: str
    shape: str
    dashed: bool = False


STYLES = {
    "base": Style("base", "ring"),
    "sft": Style("sft", "diamond"),
    "ppo": Style("ppo", "disc"),
    "best-of-n": Style("best-of-n", "square", dashed=True),
    "dpo": Style("dpo", "triangle", dashed=True),
    "sl-cai": Style("sl-cai", "diamond", dashed=True),
    "rl-cai": Style("rl-cai", "square"),
}
PLAIN = Style("plain", "disc")


def styles(names: Iterable[str]) -> dict[str, Style]:
    """How each of these models is drawn; those without a style of their own differ in shape, as far as shapes go."""
    others = [name for name in dict.fromkeys(names) if name not in STYLES]
    return STYLES | {name: Style("plain", shape) for name, shape in zip(others, cycle(SHAPES), strict=False)}


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line; `low` and `high` bound its interval, `note` shows when it is pointed at."""

    x: float
    y: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A line, its points in the order in which they are joined; `label` is written at the last one."""

    style: Style
    points: tuple[Point, ...]
    markers: bool = True
    band: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True)
class TickRow:
    """A row of labels under the ticks of the x axis, such as the same place in another unit."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical rule at a value of x, which a bridge of `above` pixels joins to its label or its neighbour."""

    x: float
    label: str = ""
    above: float = 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart is called and what it shows, for those who don't see it; `id` is unique on the page."""

    id: str
    title: str
    description: str


def line_chart(
    words: Words,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    height: float,
    rows: Sequence[TickRow] = (),
    rule: Rule | None = None,
) -> Markup:
    """Lines with their bands and markers over a grid; `rows` label the x axis, none where another chart does."""
    stretched = element(
        "svg",
        *[_band(one, x, y, height) for one in series if one.band],
        *[_line(one, x, y, height) for one in series],
        viewBox=f"0 0 100 {rounded(height)}",
        preserveAspectRatio="none",
        width="100%",
        height=rounded(height),
    )
    return element(
        "svg",
        element("title", words.title, id=f"{words.id}-title"),
        element("desc", words.description, id=f"{words.id}-desc"),
        _grid(x, y, height),
        _tick_rows(rows, x, height),
        _rule(rule, x, height) if rule else "",
        stretched,
        *[_markers(one, x, y, height) for one in series if one.markers],
        labels(series, x, y, height),
        class_="chart",
        role="img",
        aria_labelledby=f"{words.id}-title {words.id}-desc",
        width="100%",
        height=rounded(height),
    )


def lanes(estimates: Sequence[tuple[Style, Estimate | None]], x: Axis, pitch: float = 11.0) -> Markup:
    """A row of a dot plot: one lane per estimate, its interval as a bar. The numbers stand in the cells beside."""
    height = pitch * (len(estimates) + 1)
    grid = [element("line", class_="gridline", y1=0, y2="100%", **_vertical(x.at(tick))) for tick in x.ticks]
    drawn = [
        _lane(style, estimate, x, pitch * (index + 1)) for index, (style, estimate) in enumerate(estimates) if estimate
    ]
    return element("svg", *grid, *drawn, class_="lanes", aria_hidden="true", width="100%", height=rounded(height))


def lane_axis(x: Axis) -> Markup:
    """The axis above the rows of a dot plot."""
    labels = [
        element("text", label, x=percent(x.at(tick)), y=12, text_anchor="middle")
        for tick, label in zip(x.ticks, x.labels, strict=True)
    ]
    return element("svg", *labels, class_="lanes", aria_hidden="true", width="100%", height=18)


def swatch(key: str | Style, *, line: bool = False) -> Markup:
    """The key of a legend: the marker of a model or of a style, on its line if it is drawn with one."""
    style = key if isinstance(key, Style) else STYLES.get(key, PLAIN)
    stroke = element("path", class_=css_class("line", style), d="M0 6H30") if line else ""
    mark = marker(style, "50%", 6.0)
    return element("svg", stroke, mark, class_="swatch", aria_hidden="true", width=30 if line else 12, height=12)


def _grid(x: Axis, y: Axis, height: float) -> Markup:
    parts = []
    for tick, label in zip(y.ticks, y.labels, strict=True):
        level = rounded(height * (1 - y.at(tick)))
        zero = " zero" if tick == 0 and y.low < 0 else ""
        parts.append(element("line", class_=f"gridline{zero}", x1=0, x2="100%", y1=level, y2=level))
        parts.append(element("text", label, x=-10, y=level, dy="0.35em", text_anchor="end"))
    ticks = [
        element("line", class_="tick", y1=rounded(height), y2=rounded(height + 4), **_vertical(x.at(tick)))
        for tick in x.ticks
    ]
    return element("g", *parts, *ticks)


def _tick_rows(rows: Sequence[TickRow], x: Axis, height: float) -> Markup:
    parts = []
    for index, row in enumerate(rows):
        level = rounded(height + 19 + 15 * index)
        kind = "second" if index else "first"
        parts.append(element("text", row.name, class_=kind, x=-10, y=level, text_anchor="end"))
        for tick, label in zip(x.ticks, row.labels, strict=True):
            parts.append(element("text", label, class_=kind, x=percent(x.at(tick)), y=level, text_anchor="middle"))
    return element("g", *parts)


def _rule(rule: Rule, x: Axis, height: float) -> Markup:
    place = x.at(rule.x)
    anchor = "start" if place < 0.3 else "end" if place > 0.7 else "middle"
    line = element("line", class_="rule", y1=0, y2=rounded(height), **_vertical(place))
    bridge = element("line", class_="rule bridge", y1=rounded(-rule.above), y2=0, **_vertical(place))
    label = element(
        "text", rule.label, class_="rule-label", x=percent(place), y=rounded(-rule.above - 7), text_anchor=anchor
    )
    return element("g", line, bridge, label if rule.label else "")


def _band(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    """The union of the bands between neighbours: right also where a line turns back on itself."""
    pieces = []
    for pair in zip(series.points, series.points[1:], strict=False):
        left, right = sorted(pair, key=lambda point: point.x)
        corners = [(left, left.low), (right, right.low), (right, right.high), (left, left.high)]
        pieces.append("M" + "L".join(_place(p.x, level, x, y, height) for p, level in corners) + "Z")
    return element("path", class_=css_class("band", series.style), d="".join(pieces)) if pieces else Markup()


def _line(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    if len(series.points) < 2:
        return Markup()
    path = "M" + "L".join(_place(point.x, point.y, x, y, height) for point in series.points)
    return element("path", class_=css_class("line", series.style), d=path)


def _markers(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    marks = []
    for point in series.points:
        place, level = percent(x.at(point.x)), height * (1 - y.at(point.y))
        if len(series.points) == 1:
            ends = [rounded(height * (1 - y.at(bound))) for bound in (point.low, point.high)]
            marks.append(
                element("line", class_=css_class("bar", series.style), x1=place, x2=place, y1=ends[0], y2=ends[1])
            )
        marks.append(marker(series.style, place, level, point.note))
    return element("g", *marks)


def _lane(style: Style, estimate: Estimate, x: Axis, level: float) -> Markup:
    bar = element(
        "line",
        class_=css_class("bar", style),
        x1=percent(x.at(estimate.low)),
        x2=percent(x.at(estimate.high)),
        y1=level,
        y2=level,
    )
    return bar + marker(style, percent(x.at(estimate.value)), level)


def marker(style: Style, x: str, y: float | str, note: str = "") -> Markup:
    """A style's marker at a place: x in percent, y in pixels or percent; `note` shows when it is pointed at."""
    level = y if isinstance(y, str) else rounded(y)
    shape = element("path", class_=css_class(f"mark {style.shape}", style), d=SHAPES[style.shape])
    if not note:
        return element("svg", shape, x=x, y=level, class_="point")
    reach = element("circle", class_="reach", r=10)
    return element("svg", element("title", note), reach, shape, x=x, y=level, class_="point")


def css_class(part: str, style: Style) -> str:
    """The classes of a part of a drawing, such as `bar`, in a style."""
    return f"{part} {style.css}{' dashed' if style.dashed else ''}"


def _vertical(place: float) -> dict[str, str]:
    return {"x1": percent(place), "x2": percent(place)}


def _place(x_value: float, y_value: float, x: Axis, y: Axis, height: float) -> str:
    return f"{rounded(100 * x.at(x_value))} {rounded(height * (1 - y.at(y_value)))}"
