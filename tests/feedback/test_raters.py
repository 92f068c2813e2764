import numpy as np
import pytest

from gyrocompass.feedback.raters import SimulatedRaters, with_disagreement
from gyrocompass.protocols import Judge, Pair
from gyrocompass.records import user


def utility(examples, /, blind=None):
    """Length is seen by everyone; an attentive rater also takes 2 off for the word 'wrong'."""
    values = np.array([float(len(e.response)) for e in examples])
    errors = np.array([2.0 * ("wrong" in e.response) for e in examples])
    return values - errors * (0.5 if blind is None else ~blind)


PAIRS = [Pair(user(f"q{i}"), "x" * (1 + i % 7), "wrong" + "x" * (i % 3)) for i in range(400)]


def test_preference_by_hand():
    """d = 1 at temperature 1, always attentive: sigma(1 - 3 + 2) = 1/2 for 'x' against 'xxx' with an error."""
    raters = SimulatedRaters(utility, 0.0, 1.0)
    assert raters([Pair(user("q"), "yyyyyy", "wrong")])[0] == pytest.approx(1 / (1 + np.exp(-3)))
    blind = SimulatedRaters(utility, 1.0, 1.0)
    assert blind([Pair(user("q"), "yyyyyy", "wrong")])[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_raters_are_a_judge_without_position_bias():
    raters = SimulatedRaters(utility, 0.3, 2.0)
    assert isinstance(raters, Judge)
    forward = raters(PAIRS)
    backward = raters([Pair(p.prompt, p.second, p.first) for p in PAIRS])
    np.testing.assert_allclose(forward + backward, 1.0)


def test_two_raters_disagree_as_often_as_asked():
    raters = with_disagreement(utility, 0.5, PAIRS, 0.27)
    first, second = (np.array([p.p_first for p in raters.label(PAIRS * 20, seed)]) for seed in (1, 2))
    assert (first != second).mean() == pytest.approx(0.27, abs=0.02)


def test_labels_carry_their_rater_and_come_back_for_a_seed():
    raters = SimulatedRaters(utility, 0.3, 2.0, count=5)
    labels = raters.label(PAIRS, 7)
    assert labels == raters.label(PAIRS, 7) != raters.label(PAIRS, 8)
    assert {p.rater for p in labels} == {f"rater-{i}" for i in range(5)}
    assert {p.p_first for p in labels} == {0.0, 1.0}
