"""Two methods at equal KL, from probes made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from gyrocompass.pipelines.curves import Curve, at_kl, compare, levels_of, nearest, pooled
from gyrocompass.pipelines.verdict import Probed
from gyrocompass.records import Example, user


def probed(kl, gold):
    values = {"kl_nats": np.array(kl, float), "gold": np.array(gold, float)}
    return Probed(list(range(len(kl))), values, list(map(str, range(len(kl[0])))))


def curve(model, kl, gold, value=0.1):
    answers = tuple(Example(user(f"q{i}"), "a") for i in range(len(kl[0])))
    return Curve(model, value, f"{model}-1", probed(kl, gold), answers, answers)


def straight(reach, slope, n=4):
    """Three checkpoints on a line, with no spread among prompts."""
    return [[x] * n for x in (0, reach / 2, reach)], [[slope * x] * n for x in (0, reach / 2, reach)]


def test_between_two_probes_the_curve_is_straight_and_carries_the_error_of_the_kl():
    """KL 0 -> (2, 6), mean 4; gold 0 -> (1, 3), mean 2; slope 1/2. Half way the gold is (1/2, 3/2) at a KL of (1, 3):
    at a KL of 2 both prompts lie on the line, at 1."""
    p = probed([[0, 0], [2, 6]], [[0, 0], [1, 3]])
    assert at_kl(p, "gold", 2.0) == pytest.approx([1.0, 1.0])
    assert at_kl(p, "gold", 1.0).mean() == pytest.approx(0.5)
    assert at_kl(p, "gold", 4.0).mean() == pytest.approx(2.0)


def test_without_slope_the_kl_s_error_adds_nothing():
    p = probed([[0, 0], [2, 6]], [[1, 3], [3, 1]])
    assert at_kl(p, "gold", 2.0) == pytest.approx([2.0, 2.0])


def test_a_curve_that_turns_back_counts_where_it_first_comes_by():
    p = probed([[0, 0], [4, 4], [1, 1], [4, 4]], [[0, 0], [4, 4], [100, 100], [100, 100]])
    assert at_kl(p, "gold", 2.0) == pytest.approx([2.0, 2.0])


def test_a_kl_that_is_never_reached_has_no_gauge():
    assert at_kl(probed([[0, 0], [2, 6]], [[0, 0], [1, 3]]), "gold", 4.1) is None


@pytest.mark.parametrize(
    ("reaches", "levels"),
    [
        ((9.3, 20), [1, 2, 4, 8]),
        ((20, 9.3), [1, 2, 4, 8]),
        ((4, 4), [0.5, 1, 2, 4]),
        ((0.3, 5), [1 / 32, 1 / 16, 1 / 8, 1 / 4]),
        ((0, 5), []),
        ((-0.1, 5), []),
    ],
)
def test_levels_are_powers_of_two_up_to_what_both_reach(reaches, levels):
    assert levels_of(*(probed([[0, 0], [r, r]], [[0, 0], [1, 1]]) for r in reaches)) == levels


def test_two_lines_differ_by_their_slopes_at_every_level():
    """0.3 x against 0.1 x: 0.2 x more at 1, 2, 4, 8, so 0.75 on average."""
    found = compare(curve("ppo", *straight(10, 0.1)), curve("dpo", *straight(8, 0.3)), "gold")
    assert [level.kl_nats for level in found.levels] == [1, 2, 4, 8]
    assert [level.difference.value for level in found.levels] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert found.mean.value == pytest.approx(0.75)
    row = found.row()
    assert (row["first"], row["second"], row["n"]) == ("ppo-1", "dpo-1", 4)
    assert row["levels"][0] == pytest.approx({"kl_nats": 1.0, "value": 0.2, "low": 0.2, "high": 0.2, "n": 4})


def test_curves_are_compared_prompt_by_prompt():
    """The prompts differ a lot and the methods by 1 on each: paired, there is no doubt."""
    own = np.arange(50.0) * 10
    kl = [[0] * 50, [4] * 50]
    found = compare(curve("ppo", kl, [own, own + 1]), curve("dpo", kl, [own, own + 3]), "gold")
    assert found.levels[-1].difference == pytest.approx((2, 2, 2, 50))


def test_prompts_that_ask_the_same_are_one_question():
    """Two questions, each asked twice: the interval has two clusters, whose means differ by 1 and 3, and n is 2."""
    kl, own = [[0] * 4, [4] * 4], np.zeros(4)
    first, second = curve("ppo", kl, [own, own]), curve("dpo", kl, [own, [1, 1, 3, 3]])
    alike = replace(first, probed=first.probed._replace(questions=["q", "q", "r", "r"]))
    found = compare(alike, second, "gold")
    assert found.levels[-1].difference == pytest.approx((2, 2 - 12.7062, 2 + 12.7062, 2), abs=1e-3)


def test_a_policy_that_has_not_moved_can_t_be_compared():
    still = curve("dpo", [[0, 0], [0, 0]], [[0, 0], [0, 0]])
    assert compare(curve("ppo", *straight(4, 1, n=2)), still, "gold") is None
    with pytest.raises(ValueError, match="no number without data"):
        pooled([])


def test_pooled_is_the_mean_over_comparisons():
    ppo = curve("ppo", *straight(8, 0.1))
    found = [compare(ppo, curve("dpo", *straight(8, slope)), "gold") for slope in (0.3, 0.1)]
    assert pooled(found).value == pytest.approx(0.75 / 2)


def test_the_interval_at_equal_kl_covers_the_truth():
    """Gold is 0.2 KL + noise that goes with the prompt's own KL, so that leaving the KL's error out would mislead."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        kl = np.stack([np.zeros(80), rng.gamma(0.5, 4.0, 80), rng.gamma(0.5, 16.0, 80)])
        gold = 0.2 * np.array([[0.0], [2.0], [8.0]]) + rng.normal(0, 0.3, (3, 80))
        values = at_kl(probed(kl, gold), "gold", 3.0)
        if values is not None:
            half = 1.99 * values.std(ddof=1) / np.sqrt(80)
            covered += abs(values.mean() - 0.6) < half
    assert 0.91 < covered / 300 < 0.99


def test_the_setting_nearest_the_default_comes_first_and_none_twice():
    assert nearest([0.03, 0.1, 0.3, 0.1], 0.12) == [0.1, 0.03, 0.3]


def test_a_curve_tells_what_it_rests_on():
    assert curve("ppo", *straight(4, 1)).rests_on == ("reward", "ppo-1")
    assert curve("dpo", *straight(4, 1)).rests_on == ("dpo-1",)
    assert curve("ppo", *straight(4, 1), value=0.05).title == "PPO (kl_coef=0.05)"
