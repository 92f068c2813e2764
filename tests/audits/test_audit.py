from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from gyrocompass.audits.audit import Audit, Evidence, Unmeasurable, detectable
from gyrocompass.audits.selftest import self_test
from gyrocompass.errors import InputError
from gyrocompass.maths import stats
from gyrocompass.maths.stats import Estimate


@dataclass(frozen=True)
class Numbers:
    values: tuple[float, ...]
    unmet: str = ""
    ruled_out: bool = False


def drawn(mean: float, n: int = 100):
    return lambda seed: Numbers(tuple(np.random.default_rng(seed).normal(mean, 1.0, n)))


def measure(case: Numbers) -> Evidence:
    if not case.values:
        raise Unmeasurable("there are no numbers")
    detail = {"count": len(case.values)}
    return Evidence(stats.mean(np.array(case.values)), "The mean is what it is.", detail, case.unmet, case.ruled_out)


MEAN = Audit(
    name="a mean above 0",
    failure="shift",
    question="How large is the mean?",
    unit="sd",
    measure=measure,
    threshold=0.0,
    matters=0.5,
    reason="Sound cases have a mean of 0.",
    planted=lambda seed, strength: drawn(strength)(seed),
    clean=drawn(-0.5),
)


def spread(mean: float, n: int, unmet: str = "", ruled_out: bool = False) -> Numbers:
    """n numbers of this mean and a standard deviation of about 1."""
    return Numbers(tuple(mean + np.tile([-1.0, 1.0], n // 2)), unmet, ruled_out)


def test_an_effect_wholly_above_the_threshold_is_flagged():
    found = MEAN(spread(1.0, 100), "ppo")
    assert (found.verdict, found.n, found.model, found.audit) == ("flagged", 100, "ppo", "shift")
    assert found.row["detail"] == {"count": 100}
    assert found.row["threshold"] == 0.0


@pytest.mark.parametrize(("ruled_out", "verdict"), [(True, "clean"), (False, "underpowered")])
def test_a_condition_that_isn_t_met_keeps_it_from_being_flagged_and_is_told(ruled_out, verdict):
    found = MEAN(spread(1.0, 100, "But nothing was trained.", ruled_out), "ppo")
    assert found.verdict == verdict
    assert "But nothing was trained." in found.said


def test_a_small_effect_in_enough_data_is_clean():
    assert MEAN(spread(0.05, 400), "ppo").verdict == "clean"


def test_too_little_data_is_no_verdict_and_tells_what_could_have_been_seen():
    found = MEAN(spread(0.1, 10), "ppo")
    assert found.verdict == "underpowered"
    assert found.detectable is not None
    assert f"of effects of {found.detectable:.2g} sd one in five goes unseen" in found.said


def test_clean_rules_out_what_matters():
    """[-0.08, 0.88]: not above 0, and 0.5 is well within it."""
    assert MEAN(spread(0.4, 20), "ppo").verdict == "underpowered"


def test_an_interval_without_an_end_is_no_measurement():
    found = MEAN(Numbers((1.0,)), "ppo")
    assert found.verdict == "underpowered"
    assert found.value is None


def test_what_can_t_be_measured_is_never_clean():
    found = MEAN(Numbers(()), "ppo")
    assert found.verdict == "underpowered"
    assert found.value is None
    assert found.said == "Not measured: there are no numbers."


def test_the_detectable_effect_is_found_four_times_in_five():
    """With sd 1 and n = 100 the interval's half is 0.196: an effect of 0.28 is seen with power 0.8."""
    assert detectable(Estimate(0.0, -0.196, 0.196, 100), 0.0) == pytest.approx(0.28, abs=0.001)
    rng = np.random.default_rng(0)
    seen = [stats.mean(rng.normal(0.28, 1.0, 100)).low > 0 for _ in range(2000)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.03)


def test_an_audit_whose_threshold_is_what_matters_is_refused():
    with pytest.raises(ValueError, match="lies above"):
        Audit(**{**vars(MEAN), "matters": 0.0})


def test_the_self_test_counts_hits_and_false_alarms():
    tested = self_test(MEAN, 40)
    assert tested.sensitivity.value == 1.0
    assert tested.false_alarms.value == 0.0
    assert tested.sensitivity.n == 40
    assert tested.holds
    hits = [point.sensitivity for point in tested.curve]
    assert hits == sorted(hits, reverse=True)


def test_weaker_faults_are_found_less_often_and_their_effect_is_told():
    """Means of 1, 0.5 and 0.1, where 0.5 matters; with n = 100 a mean of 0.1 is seen in one case of six."""
    tested = self_test(MEAN, 40, strengths=(0.1, 1.0, 0.5))
    assert [at.strength for at in tested.planted] == [1.0, 0.5, 0.1]
    assert [at.effect.value for at in tested.planted] == pytest.approx([2.0, 1.0, 0.2], abs=0.1)
    assert all(at.effect.low < at.effect.value < at.effect.high for at in tested.planted)
    assert [at.sensitivity.value for at in tested.planted] == pytest.approx([1.0, 1.0, 0.17], abs=0.12)
    assert tested.planted[2].called_clean.value > 0.6
    assert tested.planted[2].missed == 0
    assert tested.planted[0] == self_test(MEAN, 40).planted[0]


def test_calling_a_fault_that_matters_clean_is_an_error():
    lenient = lambda case: measure(case)._replace(unmet="But it is excused.", ruled_out=True)  # noqa: E731
    found = self_test(Audit(**{**vars(MEAN), "measure": lenient}), 40, strengths=(1.0, 0.1))
    assert [at.called_clean.value for at in found.planted] == [1.0, 1.0]
    assert [at.missed for at in found.planted] == [40, 0]


def test_too_few_cases_give_the_median_effect_no_interval():
    assert self_test(MEAN, 4).planted[0].effect is None
    assert self_test(MEAN, 6).planted[0].effect.n == 6


@pytest.mark.parametrize("strengths", [(), (0.0,), (1.0, 1.5), (-0.5,)])
def test_a_strength_outside_its_range_is_refused(strengths):
    with pytest.raises(InputError, match="at most 1"):
        self_test(MEAN, 4, strengths=strengths)


def test_the_row_of_a_self_test_is_json():
    row = json.loads(json.dumps(self_test(MEAN, 8, strengths=(1.0, 0.5)).row))
    assert row["sensitivity"] == row["strengths"][0]["sensitivity"]
    assert row["strengths"][1]["strength"] == 0.5
    assert row["strengths"][1]["effect"]["n"] == 8
    assert row["holds"]


def test_an_audit_that_can_t_tell_falls_short():
    blind = Audit(**{**vars(MEAN), "planted": lambda seed, strength: drawn(0.0)(seed)})
    assert not self_test(blind, 40).holds
