"""Names written at the ends of lines, where the eye is, rather than in a legend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from .axes import Axis
from .svg import element, percent, rounded

if TYPE_CHECKING:
    from .charts import Series

ASSUMED_WIDTH = 640.0
"""Pixels that a chart is taken to be wide, since it stretches: only for telling whether labels would meet."""
LETTER, LINE, REACH = 6.4, 12.0, 6.0
"""Pixels of a letter's width, of a line of text, and from a marker's middle to its edge."""
OFFSETS = ((9, 0), (0, -12), (0, 13), (9, -12), (9, 13), (-9, -12), (-9, 13), (0, -24), (0, 25))
"""Where a label may stand, in pixels from its marker, best first; the text runs on in the direction of the shift."""


@dataclass(frozen=True, slots=True)
class Box:
    """A place that is taken."""

    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def labels(series: Sequence[Series], x: Axis, y: Axis, height: float) -> Markup:
    """Each label by its line's last point, where it meets no marker and no other label, as far as there is room."""
    taken = [_around(*place) for one in series for place in _places(one, x, y, height)]
    drawn = []
    for one in series:
        if one.label:
            *_, (across, level) = _places(one, x, y, height)
            along, down = _free(across, level, len(one.label) * LETTER, height, taken)
            taken.append(_text_box(across, level, along, down, len(one.label) * LETTER))
            drawn.append(
                element(
                    "text", one.label, class_=f"end-label {one.style.css}", x=percent(across / ASSUMED_WIDTH), dx=along,
                    y=rounded(level + down), dy="0.35em", text_anchor=_anchor(along),
                )
            )  # fmt: skip
    return element("g", *drawn)


def _places(series: Series, x: Axis, y: Axis, height: float) -> Iterator[tuple[float, float]]:
    for point in series.points:
        yield x.at(point.x) * ASSUMED_WIDTH, height * (1 - y.at(point.y))


def _around(across: float, level: float) -> Box:
    return Box(across - REACH, across + REACH, level - REACH, level + REACH)


def _anchor(along: float) -> str:
    return "start" if along > 0 else "end" if along < 0 else "middle"


def _text_box(across: float, level: float, along: float, down: float, width: float) -> Box:
    left = across + along - {"start": 0.0, "middle": 0.5, "end": 1.0}[_anchor(along)] * width
    return Box(left, left + width, level + down - LINE / 2, level + down + LINE / 2)


def _free(across: float, level: float, width: float, height: float, taken: Iterable[Box]) -> tuple[float, float]:
    """The first offset at which the text meets nothing and stays on the chart; the first of all if there is none."""
    boxes = list(taken)
    for along, down in OFFSETS:
        box = _text_box(across, level, along, down, width)
        inside = box.left >= 0 and box.right <= ASSUMED_WIDTH + 8 and box.top >= -LINE and box.bottom <= height
        if inside and not any(box.meets(other) for other in boxes):
            return along, down
    return OFFSETS[0]
