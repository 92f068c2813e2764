from __future__ import annotations

import pytest

from gyrocompass.report import RunData
from gyrocompass.report.pages.training import MOST_POINTS, training


def curves(*rows: dict[str, object]) -> dict[str, object]:
    section = training(RunData("r", metrics=tuple({"stage": "sft", **row} for row in rows)))
    assert section is not None
    (stage,) = section.content["stages"]  # type: ignore[misc,attr-defined]
    return {curve.metric: curve for curve in stage.curves}


def test_counts_and_bounds_are_not_curves() -> None:
    row = {"step": 1, "tokens": 9, "seconds": 1.0, "n": 4, "loss": 2.0, "accuracy": 0.5}
    row |= {"accuracy_low": 0.4, "accuracy_high": 0.6, "note": "text", "swallow_low": 1.0}
    assert curves(row).keys() == {"loss", "accuracy", "swallow_low"}


def test_what_is_not_finite_is_left_out() -> None:
    loss = curves({"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, {"step": 3, "loss": 1.0})["loss"]
    assert (loss.first, loss.last, loss.steps) == (2.0, 1.0, 2)  # type: ignore[attr-defined]


def test_a_long_curve_is_drawn_by_means_with_their_range() -> None:
    rows = [{"step": step, "loss": float(step % 2)} for step in range(4 * MOST_POINTS)]
    chart = curves(*rows)["loss"].chart  # type: ignore[attr-defined]
    line = chart.split('class="line sft" d="')[1].split('"')[0]
    assert line.count("L") == MOST_POINTS - 1
    assert {pair.split(" ")[1] for pair in line[1:].split("L")} == {"46"}  # the mean of 0 and 1, half-way up


@pytest.mark.parametrize("rows", [(), ({"stage": "sft", "step": 1, "note": "text"},)])
def test_a_run_that_logged_no_number_has_no_page(rows: tuple[dict[str, object], ...]) -> None:
    assert training(RunData("r", metrics=rows)) is None
