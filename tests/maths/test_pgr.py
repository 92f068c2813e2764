import numpy as np
import pytest

from gyrocompass.maths.pgr import performance_gap_recovered

RNG = np.random.default_rng(0)
QUESTIONS = np.arange(400)


def performance(share):
    return RNG.random((3, 400)) < share


WEAK, CEILING = performance(0.6), performance(0.9)


def test_the_supervisor_recovers_nothing_and_the_ceiling_all():
    assert performance_gap_recovered(WEAK, WEAK, CEILING, QUESTIONS)[:3] == pytest.approx((0, 0, 0), abs=1e-9)
    assert performance_gap_recovered(WEAK, CEILING, CEILING, QUESTIONS)[:3] == pytest.approx((1, 1, 1))


def test_it_is_the_share_of_the_way():
    weak = np.array([[0.5, 0.7], [0.6, 0.6]] * 3)
    found = performance_gap_recovered(weak, weak + 0.06, weak + 0.3, ["a", "b"])
    assert found.value == pytest.approx(0.2)
    student = performance(0.75)
    found = performance_gap_recovered(WEAK, student, CEILING, QUESTIONS)
    assert found.value == pytest.approx((student.mean() - WEAK.mean()) / (CEILING.mean() - WEAK.mean()))
    assert found.low < 0.5 < found.high
    assert found.n == 400


def test_a_student_below_its_supervisor_recovers_less_than_nothing():
    assert performance_gap_recovered(WEAK, performance(0.4), CEILING, QUESTIONS).high < 0


@pytest.mark.parametrize("ceiling", [WEAK, performance(0.61), performance(0.3)])
def test_without_a_gap_nothing_is_measured(ceiling):
    with pytest.raises(ValueError, match="above the supervisor, with a gap of"):
        performance_gap_recovered(WEAK, performance(0.7), ceiling, QUESTIONS)


def test_other_cases_are_refused():
    with pytest.raises(ValueError, match="different cases"):
        performance_gap_recovered(WEAK, WEAK[:2], CEILING, QUESTIONS)
