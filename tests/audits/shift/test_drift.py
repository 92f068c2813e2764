"""Measurements since a baseline."""

import json
from dataclasses import replace

import pytest

from gyrocompass.audits.shift.drift import ALPHA, DRIFT, Since, changes, drift, findings
from gyrocompass.maths import stats, twosample
from gyrocompass.records import Measurement


def rate(hits, n=100, metric="accuracy", **columns):
    return Measurement("ppo", "honesty", metric, *stats.proportion(hits, n), **columns)


def test_the_same_numbers_have_not_changed():
    rows = [rate(50), rate(0, metric="rude"), rate(100, metric="truthful")]
    found = findings(Since(rows, rows))
    assert [f.verdict for f in found] == ["underpowered", "clean", "clean"]
    assert all(f.value == 0 for f in found)
    assert "stayed" in found[0].said


def test_a_change_is_named_and_said_which_way():
    then, now = rate(80, 400, slice="knowable"), rate(200, 400, slice="knowable")
    (found,) = findings(Since([now], [then]))
    assert (found.audit, found.finding, found.model) == ("shift", "drift: accuracy (honesty, knowable)", "ppo")
    assert found.verdict == "flagged"
    assert found.value == pytest.approx(0.3)
    assert "Honesty: accuracy (knowable) of ppo rose from 0.20" in found.said
    assert found.detail["difference"]["value"] == pytest.approx(0.3)
    json.dumps(found.row, allow_nan=False)
    assert "fell" in findings(Since([then], [now]))[0].said


def test_only_what_is_measured_on_both_sides_is_compared():
    now = [rate(10), rate(10, slice="x"), replace(rate(10), model="sft")]
    then = [rate(10), rate(10, slice="y"), replace(rate(10), property="intent")]
    assert [(c.now.slice, c.now.model) for c in changes(Since(now, then))] == [(None, "ppo")]


def test_nothing_in_common_is_not_passed_as_clean():
    found = DRIFT(Since([rate(10)], [rate(10, slice="x")]), "ppo")
    assert (found.verdict, found.value) == ("underpowered", None)


def test_the_more_is_compared_the_surer_a_change_must_be():
    then, now = rate(50), rate(68)
    assert findings(Since([now], [then]))[0].verdict == "flagged"
    others = [rate(50, slice=str(i)) for i in range(20)]
    found = findings(Since([now, *others], [then, *others]))
    assert all(f.verdict != "flagged" for f in found)


def test_a_finding_is_flagged_where_holm_says_so():
    then = [rate(50, 200, slice=str(i)) for i in range(8)]
    now = [rate(50 + 8 * i, 200, slice=str(i)) for i in range(8)]
    flagged = {f.detail["slice"] for f in findings(Since(now, then)) if f.verdict == "flagged"}
    p = [c.p for c in sorted(changes(Since(now, then)), key=lambda c: c.now.slice)]
    assert flagged == {str(i) for i, adjusted in enumerate(stats.holm(p)) if adjusted < ALPHA}
    assert 0 < len(flagged) < 8


def test_the_whole_alarm_goes_by_the_surest_change():
    then = [rate(50, 400, slice=str(i)) for i in range(10)]
    now = [*then[:-1], rate(200, 400, slice="9")]
    found = drift(Since(now, then))
    assert found.detail["slice"] == "9"
    assert found.effect.low > 0


def test_only_the_end_that_raises_an_alarm_is_set_further_out_by_what_else_is_compared():
    now, then = rate(100, 1000), rate(110, 1000)
    alone, among = (drift(Since([now], [then], n)).effect for n in (1, 20))
    assert among.low < alone.low
    assert among.high == alone.high == pytest.approx(-twosample.difference(*estimates(now, then)).low)


def estimates(*rows):
    return [stats.Estimate(row.value, row.low, row.high, row.n) for row in rows]
