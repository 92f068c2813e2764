from __future__ import annotations

import json

from gyrocompass.report.axes import nice_axis
from gyrocompass.report.charts import Words
from gyrocompass.report.stepper import HEIGHT, TILES, Track, board, frames, symbols, track_chart

WORDS = Words("x", "A title", "What it shows.")


def track(*values: float | None) -> Track:
    return Track("Return", "reward", values, nice_axis([0, 10], 2), 0)


def test_every_tile_is_drawn_once() -> None:
    drawn = str(symbols())
    assert drawn.count("<symbol") == len(TILES) == drawn.count('viewBox="0 0 10 10"')


def test_a_board_has_a_tile_for_every_character_and_floor_for_one_unknown() -> None:
    drawn = str(board(WORDS, "#A\nG?"))
    assert 'viewBox="0 0 2 2"' in drawn
    places = [
        f'href="#tile-{ord(mark)}" x="{x}" y="{y}"'
        for mark, x, y in (("#", 0, 0), ("A", 1, 0), ("G", 0, 1), (" ", 1, 1))
    ]
    assert all(place in drawn for place in places)


def test_a_value_holds_until_the_next_move() -> None:
    drawn = str(track_chart(WORDS, track(0, 10, 5), 4))
    assert f'd="M0 {HEIGHT:g}H25V0M25 0H50V{HEIGHT / 2:g}"' in drawn
    assert f'cx="50%" cy="{HEIGHT / 2:g}"' in drawn


def test_there_is_no_line_where_a_value_is_undefined() -> None:
    drawn = str(track_chart(WORDS, track(None, None, 5, 5), 3))
    assert f'd="M66.67 {HEIGHT / 2:g}H100V{HEIGHT / 2:g}"' in drawn


def test_boards_that_recur_are_handed_over_once() -> None:
    found = json.loads(frames(["#A", "A#", "#A"], [track(0, 1, None)]))
    assert found["boards"].split("\n") == ["#A", "A#"]
    assert found["shown"] == "0 1 0"
    assert found["tracks"] == [{"told": "0 1 undefined", "y": "54 48.6 -"}]
