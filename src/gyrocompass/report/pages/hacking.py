"""Mitigations of reward hacking: each course beside the baseline's, and what it gains at the end and at equal KL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import PLAIN, Point, Series, Style, TickRow, Words, line_chart
from ..folder import Row, RunData, estimate, finite, root
from ..hacking import Course, Gain, Hacking
from ..notation import Estimate, and_list, metric, nats, number, places_of, probability, sample_sizes, sentence, size
from .frontier import METRICS
from .lanes import Group, Lanes, draw
from .lanes import Row as Lane
from .section import Section
from .spectrum import DOUBTFUL

HEIGHT = 110.0
BASELINE = Style("base", "ring")
MITIGATED = Style("ppo", "disc")
AGAIN = "again"
WATCHERS = {"validation_proxy": "the validation reward model", "gold": "gold on the validation prompts"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A mitigation's course over the baseline's."""

    title: str
    note: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: where a course ended."""

    title: str
    style: Style
    note: str
    kl: str
    estimates: tuple[Estimate | None, ...]
    seconds: float | None


def hacking(run: RunData) -> Section | None:
    """The courses, the tests and the table of hacking.json."""
    found = run.hacking
    if found is None or not any(_known(course) for course in found.courses):
        return None
    shown = [
        key for key in dict.fromkeys((found.gauge, *METRICS)) if any(key in r for c in found.courses for r in c.points)
    ]
    lines = [_line(course, shown, first=i == 0) for i, course in enumerate(found.courses) if _known(course)]
    columns = [[line.estimates[i] for line in lines] for i in range(len(shown))]
    sizes = [e.n for column in columns for e in column if e]
    content = {
        "gauge": found.gauge,
        "said": found.sentences[:1],
        "panels": _panels(found),
        "styles": (BASELINE, MITIGATED),
        "tests": _tests(found),
        "metrics": [(key, places_of(filter(None, column))) for key, column in zip(shown, columns, strict=True)],
        "lines": lines,
        "sizes": sample_sizes(sizes) if sizes else "",
        "watches": _watches(found),
        "again": any(course.name == AGAIN for course in found.courses),
    }
    return Section("hacking", "Mitigations of reward hacking", content)


def _known(course: Course) -> list[Row]:
    return [row for row in course.points if finite(row.get("step")) and finite(row.get("kl_nats"))]


def _panels(found: Hacking) -> list[Panel]:
    baseline, *others = found.courses
    rows = [row for course in found.courses for row in _known(course)]
    bounds = [bound for row in rows if (e := estimate(row, found.gauge)) for bound in (e.low, e.high)]
    x, y = nice_axis([0.0, *(root(row["kl_nats"]) for row in rows)], 3, snug=True), nice_axis(bounds, 4)
    below = _series(baseline, found.gauge, BASELINE, band=False)
    return [
        Panel(sentence(c.title), c.note, _chart(f"hacking-{i}", c, found.gauge, below, x, y))
        for i, c in enumerate(others)
        if _known(c)
    ]


def _chart(key: str, course: Course, gauge: str, below: Series, x: Axis, y: Axis) -> Markup:
    own = _series(course, gauge, MITIGATED, band=True)
    last = own.points[-1].note if own.points else "not measured"
    words = Words(key, f"{metric(gauge)} against the square root of KL: {course.title}", f"It ends at {last}.")
    return line_chart(words, [below, own], x, y, height=HEIGHT, rows=[TickRow("", x.labels)])


def _series(course: Course, gauge: str, style: Style, *, band: bool) -> Series:
    measured = [(row, e) for row in _known(course) if (e := estimate(row, gauge))]
    points = tuple(Point(root(row["kl_nats"]), e.value, e.low, e.high, _told(row, e)) for row, e in measured)
    return Series(style, points, markers=band, band=band)


def _told(row: Row, e: Estimate) -> str:
    return f"step {row['step']:,}, {nats(row['kl_nats'])}: {e.text(places_of([e]))}, {size(e.n)}"


def _tests(found: Hacking) -> Lanes | None:
    """Gains at the end and at equal KL; a filled marker holds after Holm."""
    asked: dict[str, list[tuple[Course, Gain | None]]] = {
        "At the end": [(c, c.end) for c in found.courses[1:]],
        "At equal KL": [(c, c.equal_kl) for c in found.courses[1:] if not c.stopped],
    }
    groups = [
        Group(
            title,
            (f"{metric(found.gauge)}, minus the baseline’s",),
            tuple(_lane(c, test) for c, test in rows),
            zero=True,
        )
        for title, rows in asked.items()
        if any(test for _, test in rows)
    ]
    return draw(groups, [0.0]) if groups else None


def _lane(course: Course, test: Gain | None) -> Lane:
    if test is None:
        return Lane(course.title, DOUBTFUL, None)
    return Lane(course.title, PLAIN if test.holds else DOUBTFUL, test.estimate, probability(test.p_holm))


def _line(course: Course, shown: Sequence[str], *, first: bool) -> Line:
    last = _known(course)[-1]
    ends = tuple(estimate(last, key) for key in shown)
    style, kl = BASELINE if first else MITIGATED, number(max(0.0, last["kl_nats"]), 1)
    return Line(sentence(course.title), style, course.note, kl, ends, course.seconds)


def _watches(found: Hacking) -> str:
    """Who set stops and thresholds, and on how many prompts."""
    peaks = [
        f"{WATCHERS.get(w.gauge, metric(w.gauge))} peaks at step {w.step:,}, {nats(w.kl_nats)}" for w in found.watches
    ]
    return f"{sentence(and_list(peaks))} ({size(found.watches[0].n)})." if peaks else ""
