"""The audit of jumps: a real one is flagged, one of the metric's is told, and a thin sweep says so."""

import numpy as np
import pytest

from gyrocompass.audits.emergence import ADDED, JUMP, Scaling, _whose, planted
from gyrocompass.audits.selftest import self_test
from gyrocompass.maths import emergence
from gyrocompass.maths.stats import Estimate

X = np.arange(14.0, 20.0)


def sweep(curve, seeds=5, noise=0.02, power=10, x=X):
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
    assert found.n == 5
    assert found.detail["at"] == pytest.approx(2**16.5, rel=0.1)
    assert "The all-or-nothing metric jumps as well" in found.said


def test_a_jump_of_the_metric_alone_is_told_and_not_flagged():
    found = JUMP(sweep(GROWS, power=30), "ppo")
    assert found.verdict == "clean"
    assert found.value == pytest.approx(0, abs=0.05)
    assert "so much is the metric's" in found.said
    assert found.detail["added"]["low"] > ADDED


@pytest.mark.parametrize(
    ("smooth", "coarse", "added", "says"),
    [
        ((0.10, 0.00, 0.25), (0.50, 0.30, 0.70), (0.40, 0.05, 0.65), "can't be told: it adds 0.40 [0.05, 0.65]"),
        ((0.10, 0.00, 0.25), (0.50, 0.30, 0.70), (0.40, 0.25, 0.55), "so much is the metric's"),
        ((0.35, 0.25, 0.45), (0.90, 0.80, 0.95), (0.55, 0.40, 0.65), "so much is the metric's"),
        ((0.35, 0.25, 0.45), (0.50, 0.30, 0.70), (0.15, -0.10, 0.40), "jumps as well"),
        ((0.10, 0.00, 0.25), (0.30, 0.15, 0.50), (0.20, -0.05, 0.45), "no jump for certain"),
    ],
)
def test_a_jump_is_the_metric_s_by_the_interval_of_the_difference_alone(smooth, coarse, added, says):
    """In the first case one interval lies above 0.2 and the other doesn't, and yet the two can't be told apart."""
    assert says in _whose(*(Estimate(*numbers, 5) for numbers in (smooth, coarse, added)))


def exceeds(case):
    """Whether the all-or-nothing metric is said to add a jump of its own."""
    return emergence.added(case.sizes, case.all_or_nothing, to=case.smooth).low > ADDED


def test_a_real_jump_is_seldom_called_the_metric_s():
    """In a jump from one size to the next both metrics have all of their change at once: there is nothing to add."""
    assert sum(exceeds(planted(seed)) for seed in range(60)) <= 3


def test_a_jump_that_is_the_metric_s_alone_is_mostly_found_out():
    """A chance that grows along a line, to the 30th power: of the six sizes the last two have almost all of it."""
    found = [exceeds(grown(seed)) for seed in range(40)]
    assert sum(found) >= 36


def grown(seed):
    chance = np.clip(GROWS[:, None] + np.random.default_rng(seed).normal(0, 0.02, (6, 5)), 0, 1)
    return Scaling(2.0**X, chance, chance**30)


def test_strength_is_the_share_of_the_change_that_is_sudden():
    """Without noise of its own, a change of which a fifth is sudden has an excess of no more than that."""
    for seed in range(5):
        whole, same = planted(seed), planted(seed, 1.0)
        assert np.array_equal(whole.smooth, same.smooth)
        assert np.array_equal(whole.all_or_nothing, same.all_or_nothing)
    mean = {s: np.mean([emergence.jump((c := planted(i, s)).sizes, c.smooth).excess for i in range(12)])
            for s in (0.2, 0.6, 1.0)}  # fmt: skip
    assert mean[0.2] < 0.2 < mean[0.6] < mean[1.0]


def test_a_fall_counts_as_a_rise_does():
    case = sweep(JUMPS)
    assert JUMP(Scaling(case.sizes, -case.smooth, case.all_or_nothing), "ppo").verdict == "flagged"


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (sweep(GROWS[:3], x=X[:3]), "3 sizes"),
        (sweep(GROWS, seeds=4), "4 seeds; it takes 5"),
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
