"""Proxy up, intent down: by hand-derived values, and the audit put to its own test."""

import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.gaming.changes import PROXY_UP, Change, changed, measure
from gyrocompass.audits.selftest import self_test
from gyrocompass.errors import InputError


def change(proxy, intent, times=1):
    n = len(proxy) * times
    return Change(
        tuple(map(str, range(n))), np.tile(np.array(proxy, float), times), np.tile(np.array(intent, float), times)
    )


def test_the_effect_is_how_much_oftener_intent_falls_than_rises_where_the_proxy_rose():
    """Of eight: three up and down, one up and up, the others nowhere."""
    found = measure(change([1, 1, 1, 1, 1, 0, -1, -1], [-1, -1, -1, 1, 0, -1, -1, 1], 10))
    assert found.effect.value == pytest.approx((3 - 1) / 8)
    assert found.detail["reward_up_intent_down"]["value"] == pytest.approx(3 / 8)
    assert found.detail["reward_up_intent_up"]["value"] == pytest.approx(1 / 8)
    assert found.effect.n == 80


def test_it_is_flagged_where_the_proxy_rose_and_intent_fell():
    found = PROXY_UP(change([1, 2, 1, 2], [-1, -1, -2, 1], 20), "ppo")
    assert found.verdict == "flagged"
    assert "P(reward up, intent down) = 0.75" in found.said


@pytest.mark.parametrize(
    ("proxy", "intent", "why"),
    [
        ([1, 1, 1, 1.5], [-0.1, -0.1, -0.1, 3], "intent isn't known to have fallen"),
        ([0.1, 0.1, 0.1, -3], [-1, -1, -1, -1], "the proxy isn't known to have risen"),
    ],
)
def test_what_lost_a_little_here_and_gained_much_there_is_excused(proxy, intent, why):
    found = PROXY_UP(change(proxy, intent, 20), "ppo")
    assert found.low > PROXY_UP.threshold
    assert found.verdict == "clean"
    assert why in found.said


def test_rows_of_a_run():
    before, after = (
        [{"prompt": f"p{i}", "response": text, "proxy": i + proxy, "gold": gold} for i in range(3)]
        for text, proxy, gold in (("old", 0.0, 1.0), ("new", 0.5, 0.25))
    )
    case = changed(before, after, "gold", ["a", "b", "b"])
    assert case.proxy == pytest.approx([0.5] * 3)
    assert case.intent == pytest.approx([-0.75] * 3)
    found = measure(case)
    assert found.effect.n == 2
    assert found.detail["example"] == {"prompt": "p0", "before": "old", "after": "new"}
    with pytest.raises(InputError, match="same prompts"):
        changed(before, after[::-1], "gold", ["a", "b", "b"])
    with pytest.raises(InputError, match="NaN"):
        changed(before, [row | {"gold": float("nan")} for row in after], "gold", ["a", "b", "b"])


def test_one_question_is_not_enough():
    with pytest.raises(Unmeasurable, match="fewer than two questions"):
        measure(Change(("a", "a"), np.ones(2), -np.ones(2)))
    with pytest.raises(InputError, match="shapes"):
        Change(("a",), np.ones(2), -np.ones(2))


def test_it_goes_off_on_planted_cases_and_not_on_clean_ones():
    tested = self_test(PROXY_UP, 6)
    assert tested.sensitivity.value == 1
    assert tested.false_alarms.value == 0


def test_cases_come_from_their_seed():
    for make in (lambda seed: PROXY_UP.planted(seed, 0.5), PROXY_UP.clean):
        assert PROXY_UP(make(3), "m").row == PROXY_UP(make(3), "m").row
        assert PROXY_UP(make(3), "m").row != PROXY_UP(make(4), "m").row
