from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gyrocompass.audits.audit import Finding
from gyrocompass.errors import InputError
from gyrocompass.report.fitted import Fitted, fitted


def bounds(value: float | None, low: float | None = 0.0, high: float | None = 1.0) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 40}


def detail(form: str = "best-of-n", **changes: Any) -> dict[str, Any]:
    """d (2 - d / 2): its peak is 2 above the start, at d = 2."""
    fit = {"alpha": bounds(2.0), "beta": bounds(0.5), "peak": bounds(2.0, 1.5, 2.5), "height": bounds(2.0),
           "r_squared": 0.9, "points": 5}  # fmt: skip
    return {
        "course": form, "gauge": "gold", "form": form, "stop": {"at": "best-of-8", "kept": None}, "unfitted": "",
        "points": [{"step": 1, "kl_nats": 0.0}], "fit": fit | changes, "peak": {"at": "best-of-8"},
    }  # fmt: skip


def finding(told: dict[str, Any], name: str = "over-optimisation") -> Finding:
    return Finding(audit="hacking", finding=name, model="sft", verdict="clean", said="", detail=told)


def one(**changes: Any) -> Fitted:
    (found,) = fitted([finding(detail(**changes))]).values()
    return found


def test_only_what_this_audit_measured_is_read() -> None:
    found = fitted([finding(detail()), finding({}), finding({"x": 1}, "another")])
    assert list(found) == ["best-of-n"]


def test_a_detail_that_no_audit_wrote_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"audits\.json: over-optimisation: fit\.alpha: .*; run gyro audit again"):
        fitted([finding(detail(alpha=3))])


def test_the_line_starts_where_the_course_does_and_reaches_its_peak() -> None:
    line = one().line("ppo", 1.0, 4.0)
    assert line is not None
    assert (line.points[0].x, line.points[0].y) == (0.0, 1.0)
    assert (line.points[-1].x, line.points[-1].y) == (4.0, 1.0)
    assert max(point.y for point in line.points) == pytest.approx(3.0)
    assert line.style.css == "ppo fitted"


def test_the_peak_is_marked_with_its_interval_cut_where_the_course_ends() -> None:
    whisker, top = one().marks("ppo", 1.0, 2.2)
    assert [(point.x, point.y) for point in whisker.points] == [(1.5, 3.0), (2.2, 3.0)]
    assert (top.points[0].x, top.points[0].y) == (2.0, 3.0)
    assert top.points[0].note == "peak of the fitted form: d* = 2.00 [1.50, 2.50]"


def test_a_peak_beyond_the_course_or_none_at_all_is_not_marked() -> None:
    assert one().marks("ppo", 0.0, 1.9) == []
    none = one(peak=bounds(None, 1.5, None), height=bounds(None, 1.0, None))
    assert none.marks("ppo", 0.0, 4.0) == []
    assert none.fit is not None
    assert none.fit.peak.text == "none [1.50, ∞)"


def test_an_extrapolated_peak_is_known_as_one() -> None:
    fits = [one(extrapolated=beyond).fit for beyond in (True, False)]
    assert [fit and fit.extrapolated for fit in fits] == [True, False]


def test_without_a_fit_there_is_nothing_to_draw() -> None:
    bare = replace(one(), fit=None)
    assert bare.line("ppo", 0.0, 4.0) is None
    assert bare.marks("ppo", 0.0, 4.0) == []
    assert bare.formula == "d (α − β d)"
