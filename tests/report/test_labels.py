from __future__ import annotations

import xml.etree.ElementTree as ET

from gyrocompass.report.axes import Axis
from gyrocompass.report.charts import PLAIN, Point, Series
from gyrocompass.report.labels import labels

UNIT = Axis(0.0, 1.0, (0.0, 1.0))


def line(label: str, *points: tuple[float, float]) -> Series:
    return Series(PLAIN, tuple(Point(x, y, y, y) for x, y in points), label=label)


def drawn(*series: Series) -> list[tuple[str, str, str]]:
    """Each label's text, its shift along, and its y."""
    group = ET.fromstring(labels(series, UNIT, UNIT, 200.0))
    return [(t.text or "", t.get("dx", ""), t.get("y", "")) for t in group]


def test_a_label_stands_to_the_right_of_the_last_point() -> None:
    assert drawn(line("0.1", (0.0, 0.0), (0.5, 0.5))) == [("0.1", "9", "100")]


def test_at_the_right_edge_it_stands_above() -> None:
    assert drawn(line("0.1", (0.0, 0.0), (1.0, 0.5))) == [("0.1", "-9", "88")]


def test_labels_and_markers_are_kept_clear_of_each_other() -> None:
    """Two lines that end at one point: the second label can't stand where the first does."""
    first, second = drawn(line("one", (0.5, 0.5)), line("two", (0.5, 0.5)))
    assert first[1:] == ("9", "100")
    assert second[1:] == ("0", "88")


def test_a_line_without_a_label_has_none() -> None:
    assert drawn(line("", (0.5, 0.5))) == []
