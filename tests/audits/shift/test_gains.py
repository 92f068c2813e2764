"""Gains that hold in one slice and not in another; and every audit of shift on some of its own cases."""

from dataclasses import replace

import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.shift import SHIFT
from gyrocompass.audits.shift.dialects import Speaker, in_dialects
from gyrocompass.audits.shift.gains import GAINS, Gain, TwoGains, gain, gained_apart
from gyrocompass.worlds import town

RNG = np.random.default_rng(0)
BASE = RNG.normal(size=400)
QUESTIONS = [str(i) for i in range(400)]


def two(first, second, *, noise=0.3):
    gains = [
        Gain(name, BASE, BASE + by + noise * np.random.default_rng(i).normal(size=400), QUESTIONS)
        for i, (name, by) in enumerate((("standard", first), ("second", second)))
    ]
    return TwoGains(*gains)


def test_a_gain_that_is_missing_elsewhere_is_flagged_in_standard_deviations():
    found = GAINS(two(1.0, 0.0), "ppo")
    assert found.verdict == "flagged"
    assert found.detail["gap"]["value"] == pytest.approx(1.0, abs=0.05)
    assert found.value == pytest.approx(1 / found.detail["sd"], abs=0.05)
    assert "in standard" in found.said


def test_an_equal_gain_is_clean():
    assert GAINS(two(1.0, 1.0), "ppo").verdict == "clean"


def test_where_nothing_was_gained_nothing_could_hold():
    found = GAINS(two(0.0, -1.0), "ppo")
    assert found.verdict != "flagged"
    assert "gained nothing" in found.said


def test_pairs_are_surer_than_strangers():
    shared = two(1.0, 0.5, noise=0.0)
    hard = RNG.normal(size=400)
    one, other = (Gain(g.name, g.before, g.after + hard, g.clusters) for g in (shared.trained, shared.other))
    stranger = replace(other, clusters=[f"another {question}" for question in QUESTIONS])
    paired, apart = (gained_apart(TwoGains(one, second)).effect for second in (other, stranger))
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)


def test_scores_that_are_all_the_same_say_nothing():
    same = Gain("a", np.ones(10), np.ones(10), QUESTIONS[:10])
    with pytest.raises(Unmeasurable, match="gold is the same for all 40"):
        gained_apart(TwoGains(same, same))
    few = Gain("b", np.zeros(3), np.ones(3), ["q"] * 3)
    with pytest.raises(Unmeasurable, match="1 questions"):
        gained_apart(TwoGains(few, few))


def test_a_policys_gain_is_read_by_the_scorer_given():
    asked = town.prompts(200, 3, split="heldout", dialect=True)
    found = gain("second", Speaker(in_dialects(1.0, 0.2)), Speaker(in_dialects(0.2, 1.0)), asked, town.gold)
    assert found.after.mean() > 0.8 > 0 > found.before.mean()
    assert len(found.clusters) == 200


@pytest.mark.parametrize("audit", SHIFT, ids=lambda audit: audit.name)
def test_an_audit_goes_off_on_planted_cases_and_not_on_clean_ones(audit):
    assert [audit(audit.planted(seed), "m").verdict for seed in range(2)] == ["flagged"] * 2
    assert "flagged" not in [audit(audit.clean(seed), "m").verdict for seed in range(2)]
    assert audit.failure == "shift"


@pytest.mark.parametrize("audit", SHIFT, ids=lambda audit: audit.name)
def test_a_weaker_fault_has_a_smaller_effect(audit):
    whole, none = (np.mean([audit.measure(audit.planted(s, by)).effect.value for s in range(3)]) for by in (1.0, 0.05))
    assert none < 0.6 * whole
    assert audit.measure(audit.planted(1, 1.0)).effect == audit.measure(audit.planted(1)).effect


def test_every_audit_has_a_name_of_its_own():
    assert len({a.name for a in SHIFT}) == len(SHIFT)
