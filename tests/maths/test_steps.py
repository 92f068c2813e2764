import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.maths.losses import step_cross_entropy
from gyrocompass.maths.steps import AGGREGATES, aggregate, earliest_error, error_f1, majority_of_n, progress

scores = st.lists(st.floats(0, 1), max_size=6)


def test_aggregates_by_hand():
    found = {by: aggregate([0.5, 1.0, 0.2], by) for by in AGGREGATES}
    assert found == pytest.approx({"min": 0.2, "product": 0.1, "mean": 1.7 / 3, "last": 0.2})
    assert aggregate([], "min") == 0.0


@given(scores, st.sampled_from(list(AGGREGATES)))
def test_what_steps_earn_sums_to_the_aggregate(given_scores, by):
    assert progress(given_scores, by).sum() == pytest.approx(aggregate(given_scores, by), abs=1e-12)


def test_a_step_earns_what_it_moves_the_minimum():
    """min 1, 1, 0, 0: the third step loses what the first one won; the last earns nothing by being right."""
    assert progress([1.0, 1.0, 0.0, 1.0], "min").tolist() == [1.0, 0.0, -1.0, 0.0]


@given(st.lists(st.floats(0.5, 1), min_size=1, max_size=6))
def test_a_right_step_more_earns_nothing_by_min(given_scores):
    assert aggregate([*given_scores, 1.0], "min") == aggregate(given_scores, "min")


def test_earliest_error():
    assert earliest_error([0.9, 0.4, 0.1]) == 1
    assert earliest_error([0.5, 0.7]) == -1
    assert earliest_error([]) == -1


def test_f1_is_the_harmonic_mean_of_both_accuracies():
    """With an error: 1 of 2 located; without: 2 of 2 left alone. 2 * 1/2 * 1 / (3/2) = 2/3."""
    found = error_f1([0, 1, -1, -1] * 5, [0, 2, -1, -1] * 5, np.arange(20))
    assert found.value == pytest.approx(2 / 3)
    assert found.low < 2 / 3 < found.high
    assert found.n == 20
    assert error_f1([-1, -1, 0, 0] * 3, [1, 2, -1, -1] * 3, np.arange(12)).value == 0.0
    with pytest.raises(ValueError, match="both needed"):
        error_f1([-1, -1], [-1, -1], [0, 1])


def test_majority_of_one_is_the_mean_and_of_all_the_commonest_answer():
    answers, values = np.array([[0, 0, 1, 1, 1, -1]]), np.array([[1.0, 1, 0, 0, 0, 0]])
    found = majority_of_n(answers, values, [1, 6], draws=4000)
    assert found[0, 0] == pytest.approx(2 / 6, abs=0.03)
    assert found[1, 0] == 0.0


def test_majority_of_two_by_hand():
    """Of three responses, two say a (right) and one b: pairs aa (right), ab, ab (a tie, one half): 2/3."""
    found = majority_of_n(np.array([[0, 0, 1]]), np.array([[1.0, 1, 0]]), [2], draws=6000)
    assert found[0, 0] == pytest.approx(2 / 3, abs=0.02)


def test_nobody_votes():
    assert majority_of_n(np.full((1, 4), -1), np.zeros((1, 4)), [1, 4]).tolist() == [[0.0], [0.0]]
    with pytest.raises(ValueError, match="majority"):
        majority_of_n(np.zeros((1, 4), int), np.zeros((1, 4)), [5])


def test_step_cross_entropy_by_hand():
    """A logit of 0 costs ln 2 whatever the label; the count is the whole step's."""
    loss, metrics = step_cross_entropy(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.3]), 4)
    assert float(loss) == pytest.approx(2 * np.log(2) / 4)
    assert float(metrics["loss"]) == pytest.approx(float(loss))
    loss, metrics = step_cross_entropy(torch.tensor([2.0]), torch.tensor([0.0]))
    assert float(loss) == pytest.approx(np.log1p(np.exp(2)))
    assert float(metrics["accuracy"]) == 0.0
