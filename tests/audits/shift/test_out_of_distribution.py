"""A reward model in and out of its distribution."""

from dataclasses import replace

import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.shift.dialects import Reader, Speaker, preferences
from gyrocompass.audits.shift.out_of_distribution import ACCURACY, CALIBRATION, Shifted, accuracy_gap, calibration_gap
from gyrocompass.errors import InputError
from gyrocompass.records import Preference, user
from gyrocompass.worlds import town
from gyrocompass.worlds.town.words import is_second


@pytest.fixture(scope="module")
def case():
    sides = [
        preferences(Speaker(lambda _: 0.5), town.prompts(300, 7 + second, split="heldout", dialect=second), 1, 0.05)
        for second in (False, True)
    ]
    return Shifted(town.gold, *sides)


def test_gold_is_as_right_in_either_dialect(case):
    found = accuracy_gap(case)
    assert abs(found.effect.value) < 0.05
    assert found.detail["inside"]["value"] > 0.9
    assert ACCURACY(case, "gold").verdict != "flagged"


def test_who_reads_one_dialect_is_found_out_twice(case):
    blind = replace(case, scorer=Reader(0.2, 1.0, 0))
    assert accuracy_gap(blind).detail["outside"]["value"] == pytest.approx(0.5, abs=0.1)
    assert [audit(blind, "reward").verdict for audit in (ACCURACY, CALIBRATION)] == ["flagged", "flagged"]
    assert calibration_gap(blind).detail["outside"]["overconfidence"] > 0.15


def silent_in_second(examples):
    second = [is_second(town.prompt_text(e.prompt)) for e in examples]
    return np.where(second, 0.0, town.gold(examples))


def test_a_scorer_that_says_nothing_elsewhere_is_no_better_than_chance_there(case):
    found = accuracy_gap(replace(case, scorer=silent_in_second))
    assert found.detail["outside"]["value"] == 0.5


def test_a_scorers_scale_does_not_matter(case):
    scorer = Reader(0.5, 0.5, 0)
    one, other = (
        calibration_gap(replace(case, scorer=s)).effect for s in (scorer, lambda examples: 40 * scorer(examples) - 3)
    )
    assert other.value == pytest.approx(one.value, abs=1e-4)
    assert other.low == pytest.approx(one.low, abs=1e-3)


def test_a_constant_scorer_is_not_passed_as_clean(case):
    constant = replace(case, scorer=lambda examples: np.full(len(examples), 0.5))
    for audit in (ACCURACY, CALIBRATION):
        found = audit(constant, "reward")
        assert found.verdict == "underpowered"
        assert "the score is the same for all" in found.said


@pytest.mark.parametrize("gap", [accuracy_gap, calibration_gap])
def test_a_score_that_is_no_number_outside_is_refused(case, gap):
    def scorer(examples):
        return np.where([is_second(e.prompt[-1].content) for e in examples], np.nan, town.gold(examples))

    with pytest.raises(InputError, match="NaN"):
        gap(replace(case, scorer=scorer))


def test_who_knows_nothing_has_nothing_to_lose(case):
    found = ACCURACY(replace(case, scorer=lambda examples: -town.gold(examples)), "reward")
    assert found.verdict == "underpowered"
    assert "no better than chance" in found.said


def test_ties_say_nothing():
    tied = [Preference(user(f"what is one plus {x}"), "two", "three", p_first=0.5) for x in ("one", "two", "three")]
    with pytest.raises(Unmeasurable, match="no tie: 0"):
        accuracy_gap(Shifted(town.gold, tied, tied))
