"""Charts as inline SVG: pure functions from numbers to markup.

A chart is as wide as its place and its text is never scaled: x is in percent, y in pixels, and lines live in a
nested drawing that stretches. Tick labels hang over the edges; the style sheet keeps the margins for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .axes import Axis
from .notation import Estimate

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
    """A line, its points in the order in which they are joined."""

    style: Style
    points: tuple[Point, ...]
    markers: bool = True


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
    stretched = _element(
        "svg",
        *[_band(one, x, y, height) for one in series],
        *[_line(one, x, y, height) for one in series],
        viewBox=f"0 0 100 {_round(height)}",
        preserveAspectRatio="none",
        width="100%",
        height=_round(height),
    )
    return _element(
        "svg",
        _element("title", words.title, id=f"{words.id}-title"),
        _element("desc", words.description, id=f"{words.id}-desc"),
        _grid(x, y, height),
        _tick_rows(rows, x, height),
        _rule(rule, x, height) if rule else "",
        stretched,
        *[_markers(one, x, y, height) for one in series if one.markers],
        class_="chart",
        role="img",
        aria_labelledby=f"{words.id}-title {words.id}-desc",
        width="100%",
        height=_round(height),
    )


def lanes(estimates: Sequence[tuple[Style, Estimate | None]], x: Axis, pitch: float = 11.0) -> Markup:
    """A row of a dot plot: one lane per estimate, its interval as a bar. The numbers stand in the cells beside."""
    height = pitch * (len(estimates) + 1)
    grid = [_element("line", class_="gridline", y1=0, y2="100%", **_vertical(x.at(tick))) for tick in x.ticks]
    drawn = [
        _lane(style, estimate, x, pitch * (index + 1)) for index, (style, estimate) in enumerate(estimates) if estimate
    ]
    return _element("svg", *grid, *drawn, class_="lanes", aria_hidden="true", width="100%", height=_round(height))


def lane_axis(x: Axis) -> Markup:
    """The axis above the rows of a dot plot."""
    labels = [
        _element("text", label, x=_percent(x.at(tick)), y=12, text_anchor="middle")
        for tick, label in zip(x.ticks, x.labels, strict=True)
    ]
    return _element("svg", *labels, class_="lanes", aria_hidden="true", width="100%", height=18)


def swatch(key: str, *, line: bool = False) -> Markup:
    """The key of a legend: a model's marker, on its line if it is drawn with one."""
    style = STYLES.get(key, PLAIN)
    stroke = _element("path", class_=_class("line", style), d="M0 6H30") if line else ""
    mark = _marker(style, "50%", 6.0)
    return _element("svg", stroke, mark, class_="swatch", aria_hidden="true", width=30 if line else 12, height=12)


def _grid(x: Axis, y: Axis, height: float) -> Markup:
    parts = []
    for tick, label in zip(y.ticks, y.labels, strict=True):
        level = _round(height * (1 - y.at(tick)))
        zero = " zero" if tick == 0 and y.low < 0 else ""
        parts.append(_element("line", class_=f"gridline{zero}", x1=0, x2="100%", y1=level, y2=level))
        parts.append(_element("text", label, x=-10, y=level, dy="0.35em", text_anchor="end"))
    ticks = [
        _element("line", class_="tick", y1=_round(height), y2=_round(height + 4), **_vertical(x.at(tick)))
        for tick in x.ticks
    ]
    return _element("g", *parts, *ticks)


def _tick_rows(rows: Sequence[TickRow], x: Axis, height: float) -> Markup:
    parts = []
    for index, row in enumerate(rows):
        level = _round(height + 19 + 15 * index)
        kind = "second" if index else "first"
        parts.append(_element("text", row.name, class_=kind, x=-10, y=level, text_anchor="end"))
        for tick, label in zip(x.ticks, row.labels, strict=True):
            parts.append(_element("text", label, class_=kind, x=_percent(x.at(tick)), y=level, text_anchor="middle"))
    return _element("g", *parts)


def _rule(rule: Rule, x: Axis, height: float) -> Markup:
    place = x.at(rule.x)
    anchor = "start" if place < 0.3 else "end" if place > 0.7 else "middle"
    line = _element("line", class_="rule", y1=0, y2=_round(height), **_vertical(place))
    bridge = _element("line", class_="rule bridge", y1=_round(-rule.above), y2=0, **_vertical(place))
    label = _element(
        "text", rule.label, class_="rule-label", x=_percent(place), y=_round(-rule.above - 7), text_anchor=anchor
    )
    return _element("g", line, bridge, label if rule.label else "")


def _band(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    """The union of the bands between neighbours: right also where a line turns back on itself."""
    pieces = []
    for pair in zip(series.points, series.points[1:], strict=False):
        left, right = sorted(pair, key=lambda point: point.x)
        corners = [(left, left.low), (right, right.low), (right, right.high), (left, left.high)]
        pieces.append("M" + "L".join(_place(p.x, level, x, y, height) for p, level in corners) + "Z")
    return _element("path", class_=_class("band", series.style), d="".join(pieces)) if pieces else Markup()


def _line(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    if len(series.points) < 2:
        return Markup()
    path = "M" + "L".join(_place(point.x, point.y, x, y, height) for point in series.points)
    return _element("path", class_=_class("line", series.style), d=path)


def _markers(series: Series, x: Axis, y: Axis, height: float) -> Markup:
    marks = []
    for point in series.points:
        place, level = _percent(x.at(point.x)), height * (1 - y.at(point.y))
        if len(series.points) == 1:
            ends = [_round(height * (1 - y.at(bound))) for bound in (point.low, point.high)]
            marks.append(
                _element("line", class_=_class("bar", series.style), x1=place, x2=place, y1=ends[0], y2=ends[1])
            )
        marks.append(_marker(series.style, place, level, point.note))
    return _element("g", *marks)


def _lane(style: Style, estimate: Estimate, x: Axis, level: float) -> Markup:
    bar = _element(
        "line",
        class_=_class("bar", style),
        x1=_percent(x.at(estimate.low)),
        x2=_percent(x.at(estimate.high)),
        y1=level,
        y2=level,
    )
    return bar + _marker(style, _percent(x.at(estimate.value)), level)


def _marker(style: Style, x: str, y: float, note: str = "") -> Markup:
    shape = _element("path", class_=_class(f"mark {style.shape}", style), d=SHAPES[style.shape])
    if not note:
        return _element("svg", shape, x=x, y=_round(y), class_="point")
    reach = _element("circle", class_="reach", r=10)
    return _element("svg", _element("title", note), reach, shape, x=x, y=_round(y), class_="point")


def _class(part: str, style: Style) -> str:
    return f"{part} {style.css}{' dashed' if style.dashed else ''}"


def _vertical(place: float) -> dict[str, str]:
    return {"x1": _percent(place), "x2": _percent(place)}


def _place(x_value: float, y_value: float, x: Axis, y: Axis, height: float) -> str:
    return f"{_round(100 * x.at(x_value))} {_round(height * (1 - y.at(y_value)))}"


def _percent(fraction: float) -> str:
    return f"{_round(100 * fraction)}%"


def _round(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"


def _element(tag: str, *children: str | Markup, **attributes: str | float) -> Markup:
    """One element; text is escaped, `class_` and `text_anchor` become `class` and `text-anchor`."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    opened = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in named)
    inside: Iterable[Markup] = (escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(tag, opened, Markup("").join(inside))
