"""The audit of jumps: a real one is flagged, one of the metric's is told, and a thin sweep says so."""

import numpy as np
import pytest

from gyrocompass.audits.emergence import JUMP, Scaling
from gyrocompass.audits.selftest import self_test

X = np.arange(14.0, 20.0)


def sweep(curve, seeds=4, noise=0.02, power=10, x=X):
    """Chances of a token by size, and of `power` in a row."""
    chance = np.clip(np.asarray(curve)[:, None] + np.random.default_rng(0).normal(0, noise, (len(x), seeds)), 0, 1)
    return Scaling(2.0**x, chance, chance**power)


JUMPS = 0.3 + 0.65 / (1 + np.exp(-(X - 16.5) / 0.1))
GROWS = np.linspace(0.3, 0.97, 6)


def test_the_audit_reaches_its_rates():
    tested = self_test(JUMP, 40)
    assert tested.sensitivity.value >= 0.95
    assert tested.false_alarms.value <= 0.05


def test_a_jump_in_the_smooth_metric_is_flagged_with_its_place():
    found = JUMP(sweep(JUMPS), "ppo")
    assert found.verdict == "flagged"
    assert found.n == 4
    assert found.detail["at"] == pytest.approx(2**16.5, rel=0.1)
    assert "The all-or-nothing metric jumps as well" in found.said


def test_a_jump_of_the_metric_alone_is_told_and_not_flagged():
    found = JUMP(sweep(GROWS, power=30), "ppo")
    assert found.verdict == "clean"
    assert found.value == pytest.approx(0, abs=0.05)
    assert "The jump comes from the metric" in found.said


def test_a_fall_counts_as_a_rise_does():
    case = sweep(JUMPS)
    assert JUMP(Scaling(case.sizes, -case.smooth, case.all_or_nothing), "ppo").verdict == "flagged"


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (sweep(GROWS[:3], x=X[:3]), "3 sizes"),
        (sweep(GROWS, seeds=2), "2 seeds"),
        (sweep(GROWS[:4], x=np.array([14.0, 15.0, 16.0, 22.0])), "add sizes"),
        (sweep(np.full(6, 0.5), noise=0.1), "doesn't change with size"),
    ],
)
def test_a_sweep_that_can_t_tell_says_why(case, says):
    found = JUMP(case, "ppo")
    assert found.verdict == "underpowered"
    assert found.value is None
    assert says in found.said


def test_an_exact_match_that_never_happens_is_no_jump():
    case = sweep(GROWS)
    found = JUMP(Scaling(case.sizes, case.smooth, np.zeros_like(case.smooth)), "ppo")
    assert found.verdict == "clean"
    assert "doesn't change with size beyond" in found.said


def test_planted_and_clean_cases_are_the_same_for_the_same_seed_and_differ_between_seeds():
    for make in (JUMP.planted, JUMP.clean):
        one, same, other = make(3), make(3), make(4)
        assert np.array_equal(one.smooth, same.smooth)
        assert one.smooth.shape != other.smooth.shape or not np.array_equal(one.smooth, other.smooth)
        assert one.all_or_nothing.min() >= 0
        assert one.all_or_nothing.max() <= 1
