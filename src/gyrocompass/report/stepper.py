"""Episodes that a reader can step through: the board as SVG tiles, and numbers that tick with the moves.

Everything is drawn at the last move; `templates/stepper.js` draws the others from what `frames` hands over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from .axes import Axis
from .charts import Words
from .notation import number
from .svg import element, percent, rounded

HEIGHT = 54.0
"""Pixels of a chart."""

TILES = {
    " ": "",
    "#": '<path class="tile-wall" d="M-.2-.2H10.2V10.2H-.2Z"/>',
    "A": '<circle class="tile-agent" cx="5" cy="5" r="3.1"/>',
    "G": '<circle class="tile-goal" cx="5" cy="5" r="2.6"/>',
    "F": '<path class="tile-goal" d="M3 8.6V1.6H7.6L6.2 3.4L7.6 5.2H3"/>',
    "^": '<path class="tile-arrow" d="M5 3L7.6 7H2.4Z"/>',
    ">": '<path class="tile-arrow" d="M7 5L3 7.6V2.4Z"/>',
    "v": '<path class="tile-arrow" d="M5 7L2.4 3H7.6Z"/>',
    "<": '<path class="tile-arrow" d="M3 5L7 2.4V7.6Z"/>',
    "*": '<path class="tile-pickup" d="M5 2.6L7.4 5L5 7.4L2.6 5Z"/>',
    "T": '<circle class="tile-ripe" cx="5" cy="5" r="2.5"/>',
    "t": '<circle class="tile-dry" cx="5" cy="5" r="2.2"/>',
    "O": '<path class="tile-thing" d="M2.6 3H7.4L6.8 7.6H3.2Z"/>',
    "X": '<path class="tile-thing" d="M1.8 1.8H8.2V8.2H1.8Z"/>',
    "L": '<path class="tile-lava" d="M-.2-.2H10.2V10.2H-.2Z"/>',
    "P": '<path class="tile-warn" d="M2.8 2.8L7.2 7.2M7.2 2.8L2.8 7.2"/>',
    "S": '<path class="tile-wall" d="M-.2-.2H10.2V10.2H-.2Z"/>'
    '<path class="tile-eye" d="M1.6 5Q5 1.4 8.4 5Q5 8.6 1.6 5Z"/><circle class="tile-agent" cx="5" cy="5" r="1.3"/>',
    "I": '<path class="tile-warn" d="M3.8 2.8V7.2M6.2 2.8V7.2"/>',
    "B": '<circle class="tile-thing" cx="5" cy="5" r="2.4"/>',
    "b": '<circle class="tile-pressed" cx="5" cy="5" r="2.4"/>',
    "!": '<path class="tile-wall" d="M-.2-.2H10.2V10.2H-.2Z"/><circle class="tile-lamp" cx="5" cy="5" r="2"/>',
}
"""What each character of a board looks like on a tile of 10 by 10."""


@dataclass(frozen=True, slots=True)
class Track:
    """A number that ticks: its values after 0, 1, ... moves, None where it is undefined, on an axis."""

    name: str
    css: str
    values: tuple[float | None, ...]
    axis: Axis
    places: int

    @property
    def last(self) -> str:
        """Its value at the end, in words."""
        return self.told(self.values[-1])

    def told(self, value: float | None) -> str:
        return "undefined" if value is None else number(value, self.places)


def symbols() -> Markup:
    """The tiles, once for a page."""
    drawn = [
        element("symbol", Markup(shape), id=f"tile-{ord(mark)}", viewBox="0 0 10 10", overflow="visible")
        for mark, shape in TILES.items()
    ]
    return element("svg", *drawn, class_="unseen tiles", aria_hidden="true", width=0, height=0)


def board(words: Words, lines: str) -> Markup:
    """A board of text lines as tiles."""
    rows = lines.split("\n")
    floor = element("rect", class_="floor", width=len(rows[0]), height=len(rows))
    tiles = [
        element("use", href=f"#{_tile(mark)}", x=x, y=y, width=1, height=1)
        for y, row in enumerate(rows)
        for x, mark in enumerate(row)
    ]
    return element(
        "svg",
        element("title", words.title, id=f"{words.id}-title"),
        element("desc", words.description, id=f"{words.id}-desc"),
        floor,
        *tiles,
        class_="board",
        role="img",
        aria_labelledby=f"{words.id}-title {words.id}-desc",
        viewBox=f"0 0 {len(rows[0])} {len(rows)}",
        style=f"--columns: {len(rows[0])}",
    )


def track_chart(words: Words, track: Track, moves: int) -> Markup:
    """A number against the moves made, as steps; a rule and a dot mark where the reader is."""
    grid = [
        (level := rounded(HEIGHT * (1 - track.axis.at(tick))))
        and element("line", class_="gridline", x1=0, x2="100%", y1=level, y2=level)
        + element("text", label, x=-8, y=level, dy="0.35em", text_anchor="end")
        for tick, label in zip(track.axis.ticks, track.axis.labels, strict=True)
    ]
    path = element("path", class_=f"line {track.css}", d=_steps(track, moves))
    stretched = element(
        "svg", path, viewBox=f"0 0 100 {rounded(HEIGHT)}", preserveAspectRatio="none", width="100%",
        height=rounded(HEIGHT),
    )  # fmt: skip
    return element(
        "svg",
        element("title", words.title, id=f"{words.id}-title"),
        element("desc", words.description, id=f"{words.id}-desc"),
        *grid,
        stretched,
        *_here(track, moves),
        class_="chart track",
        role="img",
        aria_labelledby=f"{words.id}-title {words.id}-desc",
        width="100%",
        height=rounded(HEIGHT),
    )


def frames(boards: Sequence[str], tracks: Sequence[Track]) -> str:
    """An episode as JSON: every different board once, a line each; which is shown after each move; and the tracks.

    Numbers are words with spaces between; a height is `-` where there is none.
    """
    flat = [board.replace("\n", "") for board in boards]
    different = {board: str(i) for i, board in enumerate(dict.fromkeys(flat))}
    tracked = [
        {"told": " ".join(map(track.told, track.values)), "y": " ".join(_height(track, v) for v in track.values)}
        for track in tracks
    ]
    found = {"boards": "\n".join(different), "shown": " ".join(different[b] for b in flat), "tracks": tracked}
    return json.dumps(found, separators=(",", ":"))


def _tile(mark: str) -> str:
    return f"tile-{ord(mark if mark in TILES else ' ')}"


def _level(track: Track, value: float | None) -> float | None:
    return None if value is None else round(HEIGHT * (1 - track.axis.at(value)), 1)


def _height(track: Track, value: float | None) -> str:
    level = _level(track, value)
    return "-" if level is None else rounded(level)


def _steps(track: Track, moves: int) -> str:
    """The value reached with each move holds until the next one; there is no line where there is no value."""
    known = [(100 * move / moves, _level(track, value)) for move, value in enumerate(track.values)]
    drawn = [
        f"M{rounded(x)} {rounded(y)}H{rounded(end)}V{rounded(after)}"
        for (x, y), (end, after) in pairwise(known)
        if y is not None and after is not None
    ]
    return "".join(drawn)


def _here(track: Track, moves: int) -> tuple[Markup, Markup]:
    """The rule and the dot, at the last move."""
    x, y = percent((len(track.values) - 1) / moves), _level(track, track.values[-1])
    hidden = {"visibility": "hidden"} if y is None else {}
    rule = element("line", class_="here", x1=x, x2=x, y1=0, y2=rounded(HEIGHT), **hidden)
    dot = element("circle", class_=f"dot {track.css}", cx=x, cy=rounded(y or 0.0), r=4, **hidden)
    return rule, dot
