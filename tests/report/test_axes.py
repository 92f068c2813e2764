from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.report.axes import nice_axis

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8)


@given(values, st.integers(2, 7), st.booleans())
def test_an_axis_holds_its_values_and_has_distinct_ticks(found: list[float], count: int, snug: bool) -> None:
    axis = nice_axis(found, count, snug=snug)
    assert axis.low < axis.high
    assert all(-1e-9 <= axis.at(value) <= 1 + 1e-9 for value in found)
    assert all(-1e-9 <= axis.at(tick) <= 1 + 1e-9 for tick in axis.ticks)
    assert len(set(axis.labels)) == len(axis.ticks) <= count + 3


def test_ticks_are_round_and_share_their_decimals() -> None:
    """A spread of 1.9 in about 4: 0.475 asks for 0.5, so the ends go out to -0.5 and 2."""
    axis = nice_axis([-0.17, 1.73], 4)
    assert axis.ticks == pytest.approx((-0.5, 0.0, 0.5, 1.0, 1.5, 2.0))
    assert axis.labels == ("−0.5", "0.0", "0.5", "1.0", "1.5", "2.0")
    assert axis.at(0.75) == pytest.approx(0.5)


def test_a_snug_axis_ends_where_its_values_do() -> None:
    axis = nice_axis([0.0, 4.1], 6, snug=True)
    assert (axis.low, axis.high) == (0.0, 4.1)
    assert axis.labels == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0, 1e-30, 5e-324])
def test_equal_values_get_room_around_them(value: float) -> None:
    axis = nice_axis([value, value])
    assert axis.low < value < axis.high


def test_no_values_give_the_unit_axis() -> None:
    assert nice_axis([]).at(0.25) == 0.25


def test_great_numbers_close_together_keep_labels_apart() -> None:
    assert nice_axis([1.2e6, 1.3e6], 2).labels == ("1.20×10⁶", "1.25×10⁶", "1.30×10⁶")
