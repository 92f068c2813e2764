"""Labels by a rule-based reward: Bradley-Terry on its difference, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.feedback.judge_quality import judge_quality
from gyrocompass.feedback.rule_judge import RuleJudge
from gyrocompass.feedback.rules import Proposition, RuleReward
from gyrocompass.feedback.rulings import Alone, clamped, hard, notes
from gyrocompass.protocols import Judge, Pair
from gyrocompass.records import user

RUDE = Proposition("rude", lambda example: float("fool" in example.response), -2.0)
SHORT = Proposition("short", lambda example: float(len(example.response.split()) < 3), 0.5)
REWARD = RuleReward((RUDE, SHORT))
POLITE, BLUNT = "i would rather not", "no fool"


def test_the_difference_of_the_rewards_is_the_log_odds_by_hand():
    """Rewards 0 and 0.5 - 2 = -1.5: sigmoid(1.5) = 0.817574."""
    judge = RuleJudge(REWARD, "manners")
    assert isinstance(judge, Judge)
    pair = Pair(user("q"), POLITE, BLUNT)
    (ruling,) = judge.judged([pair])
    assert ruling.alone == Alone(0.0, -1.5)
    assert judge([pair])[0] == pytest.approx(0.817574, abs=1e-6)
    (record,) = judge.preferences([pair], [ruling])
    assert record.source == "rules manners"
    assert record.meta == {"principle": "rules", "first": 0.0, "second": -1.5, "by": "rules"}


@pytest.mark.parametrize(("label", "p"), [(hard, 1.0), (clamped(), 0.6)])
def test_labels_are_shaped_as_other_judges_are(label, p):
    assert RuleJudge(REWARD, label=label)([Pair(user("q"), POLITE, BLUNT)])[0] == p


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1))
def test_swapping_turns_the_label_about(rewards):
    judge = RuleJudge(lambda examples: np.array([float(example.response) for example in examples]))
    pairs = [Pair(user("q"), str(one), str(other)) for one, other in rewards if one != other]
    turned = [Pair(pair.prompt, pair.second, pair.first) for pair in pairs]
    np.testing.assert_allclose(judge(turned), 1 - judge(pairs), atol=1e-12)


def test_what_can_t_be_told_is_an_abstention():
    judge = RuleJudge(lambda examples: np.array([np.nan if "?" in e.response else 1.0 for e in examples]))
    pairs = [
        Pair(user("q"), "a", "b?"),
        Pair(user("q"), "a", "a"),
        Pair(user("q"), "a", " "),
        Pair(user("q"), "a", "b"),
    ]
    rulings = judge.judged(pairs)
    np.testing.assert_array_equal(np.isnan(judge.labels(rulings)), [True, True, True, False])
    assert judge.preferences(pairs, rulings) == []
    assert [note[:36] for note in notes(rulings)] == [
        "the judge abstained on 3 of 4 pairs,", "on 1 of 4 pairs neither response com",
    ]  # fmt: skip


def test_it_is_measured_as_other_judges_are():
    pairs = [Pair(user(f"q{i}"), POLITE, BLUNT) for i in range(8)]
    found = judge_quality(RuleJudge(REWARD), pairs, lambda examples: [float(e.response == POLITE) for e in examples])
    assert found.accuracy.value == 1.0
    assert found.position_bias is None
    assert found.by_tag == {}
    assert found.flips is not None
