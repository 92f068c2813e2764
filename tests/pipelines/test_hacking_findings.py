"""What the mitigations are said to do, and what they aren't said to do."""

import numpy as np
import pytest

from gyrocompass.errors import InputError
from gyrocompass.pipelines.curves import Curve
from gyrocompass.pipelines.hacking import part, split_of, upto
from gyrocompass.pipelines.hacking_findings import Course, outcomes, p_value, sentences
from gyrocompass.pipelines.mitigations import Watch
from gyrocompass.pipelines.verdict import Probed
from gyrocompass.records import Example, user

KL = (0.0, 2.0, 5.0, 9.0)
FALLING = (0.4, 0.3, 0.0, -0.2)
WATCHES = [Watch("validation_proxy", 2, 20, 5.0, 1.2, 60), Watch("gold", 1, 10, 2.0, 0.6, 60)]


def curve(gold, kl=KL, n=200, noise=0.2, seed=7):
    rng = np.random.default_rng(seed)
    values = {name: np.array(means)[:, None] + rng.normal(0, noise, (4, n))
              for name, means in {"gold": gold, "proxy": (0, 1, 2, 3), "kl_nats": kl}.items()}  # fmt: skip
    answers = tuple(Example(user(f"q{i}"), "a") for i in range(n))
    return Curve("ppo", 0.1, "ppo", Probed([0, 10, 20, 40], values, list(map(str, range(n)))), answers, answers)


def course(name, gold, stopped=False, **more):
    return Course(name, f"the {name}", f"ppo-{name}", ("reward",), curve(gold, **more), stopped=stopped)


BASELINE = course("single", FALLING, seed=11)


def said(*courses):
    return sentences(BASELINE, outcomes(BASELINE, courses, "gold"), WATCHES, "gold")


def test_what_helps_is_named_the_most_first_and_what_hurts_too():
    words = said(course("better", (0.4, 0.4, 0.3, 0.3), seed=1), course("best", (0.4, 0.5, 0.5, 0.5), seed=2),
                 course("worse", (0.4, 0.2, -0.3, -0.6), seed=3))  # fmt: skip
    assert words[0].startswith("2 of 3 mitigations end with more gold than PPO against a single reward model; "
                               "most with the best, by 0.7")  # fmt: skip
    assert words[1].startswith("Then comes the better by 0.4")
    assert words[2].startswith("With less gold ends the worse by 0.4")
    assert words[3].startswith("At equal KL there is more gold with the best by 0.")
    assert "the better by" in words[3]
    assert "less gold with the worse by" in words[3]
    assert words[3].endswith("0 of 3 can't be told from PPO against a single reward model.")
    assert words[4].startswith("PPO against a single reward model: over-optimised: the proxy rose, but")
    assert words[5] == (
        "On its course, over 60 validation prompts, the validation reward model peaks at step 20 (KL 5.0 nats, proxy "
        "1.20) and gold peaks at step 10 (KL 2.0 nats, proxy 0.60)."
    )


def test_a_mitigation_that_only_goes_less_far_gains_at_the_end_and_nothing_at_equal_kl():
    near = course("kl", (0.4, 0.39, 0.37, 0.35), kl=(0.0, 0.2, 0.6, 1.0), seed=5)
    words = said(near)
    assert words[0].startswith("1 of 1 mitigations end with more gold")
    assert words[1] == "At equal KL none of 1 can be told from PPO against a single reward model."


def test_what_the_intervals_don_t_carry_is_not_claimed():
    words = said(*(course(f"{seed}", FALLING, seed=seed) for seed in range(30, 34)))
    assert words[0] == (
        "None of 4 mitigations ends with more gold than PPO against a single reward model, as far as 200 questions "
        "tell."
    )
    assert words[1] == "At equal KL none of 4 can be told from PPO against a single reward model."


def test_a_stopped_course_is_compared_at_its_end_alone():
    stopped = Course("stopped", "stopping", "ppo", ("reward",), upto(BASELINE.curve, 1), stopped=True)
    found = outcomes(BASELINE, [stopped], "gold")[0]
    assert (found.equal_kl, found.row()["equal_kl"]) == (None, None)
    assert found.end.estimate.value == pytest.approx(0.5, abs=0.06)
    assert found.end.holds
    same = Course("stopped", "stopping", "ppo", ("reward",), upto(BASELINE.curve, 3), stopped=True)
    assert outcomes(BASELINE, [same], "gold")[0].end.p_holm == 1.0


def test_p_is_adjusted_over_both_questions_and_all_mitigations():
    """Two courses that are alike have one p; over 4 tests it is 4 times as large."""
    other = course("other", (0.4, 0.3, 0.02, -0.15), seed=1)
    alone = p_value(other.curve.probed.values["gold"][-1] - BASELINE.curve.probed.values["gold"][-1], np.arange(200))
    found = outcomes(BASELINE, [other, other], "gold")
    assert found[0].end.p_holm == found[1].end.p_holm
    assert found[0].end.p_holm >= min(1.0, 2 * alone)
    assert found[0].row()["end"]["detectable"] > 0


def test_the_baseline_trained_again_is_no_mitigation_and_tells_what_chance_does():
    words = said(course("again", (0.4, 0.3, 0.1, 0.1), seed=3), course("best", (0.4, 0.5, 0.5, 0.5), seed=2))
    assert words[0].startswith("1 of 1 mitigations end with more gold")
    assert words[1].endswith("0 of 1 can't be told from PPO against a single reward model.")
    assert words[2].startswith(
        "Trained again with another seed, PPO against a single reward model itself ends with gold that differs by 0."
    )
    assert ", and by 0." in words[2]
    assert "chance in training" in words[2]


def test_false_claims_stay_below_their_level():
    """Four mitigations that are the baseline trained again, 100 times: any claim at all in about 5%."""
    claims = 0
    for seed in range(100):
        draws = [course(f"{i}", FALLING, seed=1000 + 10 * seed + i, n=60) for i in range(5)]
        found = outcomes(draws[0], draws[1:], "gold")
        claims += any(one.end.holds or (one.equal_kl and one.equal_kl.holds) for one in found)
    assert claims / 100 < 0.13


def test_the_prompts_are_split_evenly_and_each_is_on_one_side():
    split = split_of([f"q{i}" for i in range(520)], 0.25)
    assert split.validation[:3] == (3, 7, 11)
    assert (len(split.validation), len(split.measuring)) == (130, 390)
    assert sorted(split.validation + split.measuring) == list(range(520))
    with pytest.raises(InputError, match="held-out questions leave 1 for validation"):
        split_of([f"q{i}" for i in range(6)], 0.2)


def test_a_question_that_is_asked_twice_is_on_one_side_both_times():
    """Of the questions a, b, c, d the second and the fourth validate."""
    assert split_of("abacbddc", 0.5) == ((1, 4, 5, 6), (0, 2, 3, 7))


def test_a_part_of_a_curve_keeps_its_prompts_responses_and_values_together():
    whole = curve(FALLING, n=6)
    half = part(whole, (1, 4))
    assert half.last == (whole.last[1], whole.last[4])
    assert half.probed.questions == ["1", "4"]
    assert half.probed.values["gold"] == pytest.approx(whole.probed.values["gold"][:, [1, 4]])
    assert upto(whole, 1).probed.steps == [0, 10]
