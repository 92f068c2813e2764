from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.report.axes import Axis
from gyrocompass.report.charts import PLAIN, STYLES, Point, Rule, Series, TickRow, Words, lanes, line_chart, swatch
from gyrocompass.report.notation import Estimate

UNIT = Axis(0.0, 1.0, (0.0, 0.5, 1.0))
WORDS = Words("c", "A <title>", "What it shows")


def draw(*points: Point, **options: object) -> ET.Element:
    options = {"height": 100.0} | options
    return ET.fromstring(line_chart(WORDS, [Series(STYLES["ppo"], points)], UNIT, UNIT, **options))  # type: ignore[arg-type]


def parts(root: ET.Element, css: str) -> list[ET.Element]:
    return [element for element in root.iter() if css in element.get("class", "").split()]


def test_points_lie_where_their_values_say() -> None:
    """On unit axes 100 px high, (0.25, 0.75) is a quarter along and a quarter down."""
    root = draw(Point(0.25, 0.75, 0.5, 1.0, "here"), Point(1.0, 0.0, 0.0, 0.25))
    marks = [(m.get("x"), m.get("y")) for m in parts(root, "point")]
    assert marks == [("25%", "25"), ("100%", "100")]
    assert [line.get("d") for line in parts(root, "line")] == ["M25 25L100 100"]
    assert [band.get("d") for band in parts(root, "band")] == ["M25 50L100 100L100 75L25 0Z"]


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=2, max_size=6))
def test_pieces_of_a_band_turn_the_same_way(corners: list[tuple[float, ...]]) -> None:
    """So that the pieces of a line that turns back fill each other, and none cuts a hole."""
    points = [Point(x, y, *sorted(bounds)) for x, y, *bounds in corners]
    for piece in parts(draw(*points), "band")[0].get("d", "").split("Z")[:-1]:
        corner = [tuple(map(float, pair.split())) for pair in piece[1:].split("L")]
        (x0, _), (x1, _) = corner[0], corner[1]
        assert x0 <= x1
        assert corner[0][1] >= corner[3][1]
        assert corner[1][1] >= corner[2][1]


def test_a_point_alone_keeps_its_interval() -> None:
    (bar,) = parts(draw(Point(0.5, 0.5, 0.25, 0.75)), "bar")
    assert (bar.get("y1"), bar.get("y2")) == ("75", "25")


def test_words_are_escaped_and_named() -> None:
    root = draw(Point(0.5, 0.5, 0.5, 0.5, "a < b"))
    assert root.get("aria-labelledby") == "c-title c-desc"
    assert [title.text for title in root.iter("title")] == ["A <title>", "a < b"]


def test_a_rule_is_labelled_on_the_side_with_room() -> None:
    for x, anchor in ((0.1, "start"), (0.5, "middle"), (0.9, "end")):
        root = draw(Point(0, 0, 0, 0), rule=Rule(x, "peak", above=12))
        (label,) = parts(root, "rule-label")
        assert (label.text, label.get("text-anchor"), label.get("y")) == ("peak", anchor, "-19")


def test_rows_of_ticks_stand_under_one_another() -> None:
    root = draw(Point(0, 0, 0, 0), rows=[TickRow("d", UNIT.labels), TickRow("KL", ("0", "0.25", "1"))])
    assert [text.text for text in parts(root, "second")] == ["KL", "0", "0.25", "1"]
    assert {text.get("y") for text in parts(root, "second")} == {"134"}


def test_a_lane_for_each_model_and_none_for_what_was_not_measured() -> None:
    drawn = lanes([(STYLES["base"], None), (STYLES["sft"], Estimate(0.5, 0.25, 0.75, 9)), (PLAIN, None)], UNIT)
    root = ET.fromstring(drawn)
    (bar,) = parts(root, "bar")
    assert (bar.get("x1"), bar.get("x2"), bar.get("y1")) == ("25%", "75%", "22.0")
    assert len(parts(root, "mark")) == 1


def test_models_differ_in_colour_and_in_shape_or_dash() -> None:
    looks = {(style.shape, style.dashed) for style in STYLES.values()}
    assert len(looks) == len(STYLES)
    assert len({re.sub(r"\s", "", swatch(key)) for key in (*STYLES, "unheard-of")}) == len(STYLES) + 1
