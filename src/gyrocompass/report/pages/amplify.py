"""Iterated amplification: accuracy by depth, step by step and method by method; trees of questions to read."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ..amplify import Amplify, Course, Method, Puzzle, Tree
from ..axes import Axis, nice_axis
from ..charts import Point, Series, Style, TickRow, Words, line_chart
from ..folder import RunData
from ..notation import Estimate, sentence, size
from .section import Section

HEIGHT = 112.0
SHADES = 8
ACCURACY = Axis(0.0, 1.0, (0.0, 0.5, 1.0))
METHODS = {
    "ida": ("iterated amplification", "Sub-questions are answered by the model’s slowly moving average."),
    "supervised": ("supervised", "The true answers of every depth from the start."),
    "one-shot": ("one-shot amplification", "The overseer has facts alone; what it answers with them is learnt."),
    "no-ema": ("without the average", "Sub-questions are answered by the model as it is."),
    "noisy": ("a noisy overseer", "A share of the overseer’s moves is random."),
}


@dataclass(frozen=True, slots=True)
class Small:
    """A method's chart under its title."""

    title: str
    note: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """A method's row: accuracy at each depth at the end, the lead of iterated amplification over it, calls of H."""

    title: str
    accuracy: tuple[Estimate | None, ...]
    lead: Estimate | None
    calls: Estimate | None


@dataclass(frozen=True, slots=True)
class Scene:
    """A puzzle with its charts, its table and its trees."""

    title: str
    asks: str
    reach: int
    charts: tuple[Small, ...]
    shades: tuple[tuple[Style, str], ...]
    depths: tuple[int, ...]
    lines: tuple[Line, ...]
    trees: tuple[Tree, ...]


def amplify(run: RunData) -> Section | None:
    """The puzzles, the sums and the trees of amplify.json."""
    found = run.amplify
    if found is None or not (found.puzzles or found.rounds):
        return None
    content = {
        "found": found,
        "runs": f"{found.seeds} training run{'s' if found.seeds > 1 else ''}",
        "scenes": [_scene(puzzle) for puzzle in found.puzzles if puzzle.methods],
        "terms": [f"{n} terms" for n in sorted({row.terms for row in found.sums})],
        "sums": _sums(found),
        "own": [(row.model, [row.estimate]) for row in found.own],
        "size": lambda tree: sum(1 for _ in tree),
    }
    return Section("amplify", "Amplification: from what the overseer can do to what it can’t", content)


def _scene(puzzle: Puzzle) -> Scene:
    depths = tuple(course.depth for course in puzzle.methods[0].courses)
    return Scene(
        sentence(puzzle.name),
        puzzle.asks,
        puzzle.reach,
        tuple(_small(puzzle, method) for method in puzzle.methods),
        tuple((_shade(i, len(depths)), f"depth {depth}") for i, depth in enumerate(depths)),
        depths,
        tuple(map(_line, puzzle.methods)),
        puzzle.trees,
    )


def _small(puzzle: Puzzle, method: Method) -> Small:
    title, note = METHODS.get(method.method, (method.method, ""))
    drawn = [_series(course, _shade(i, len(method.courses))) for i, course in enumerate(method.courses)]
    x = nice_axis([point.x for one in drawn for point in one.points], 3, snug=True)
    ends = [f"depth {c.depth} ends at {c.points[-1].value:.2f}" for c in method.courses if c.points]
    words = Words(
        f"amplify-{puzzle.name}-{method.method}", f"{sentence(title)} on {puzzle.name}: accuracy against steps",
        f"{sentence('; '.join(ends))}.",
    )  # fmt: skip
    chart = line_chart(words, drawn, x, ACCURACY, height=HEIGHT, rows=[TickRow("", x.labels)])
    return Small(sentence(title), note, chart)


def _series(course: Course, style: Style) -> Series:
    points = tuple(
        Point(p.step, p.value, p.low, p.high, f"depth {course.depth}, step {p.step}: {_told(p.estimate)}")
        for p in course.points
    )
    return Series(style, points, band=False)


def _told(e: Estimate) -> str:
    return f"{e.text(2)}, {size(e.n)}"


def _line(method: Method) -> Line:
    title, _ = METHODS.get(method.method, (method.method, ""))
    last = tuple(course.points[-1].estimate if course.points else None for course in method.courses)
    lead, calls = (one.estimate if one else None for one in (method.lead, method.calls))
    return Line(sentence(title), last, lead, calls)


def _sums(found: Amplify) -> list[tuple[str, list[Estimate | None]]]:
    """A row for each model: its share of right answers for each number of terms."""
    known = {(row.model, row.terms): row.estimate for row in found.sums}
    terms = sorted({row.terms for row in found.sums})
    return [(name, [known.get((name, n)) for n in terms]) for name in dict.fromkeys(row.model for row in found.sums)]


def _shade(i: int, n: int) -> Style:
    return Style(f"shade shade-{round(i * (SHADES - 1) / max(1, n - 1))}", "disc")
