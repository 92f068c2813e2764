"""A reward model in and out of its distribution."""

from dataclasses import replace

import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.shift.dialects import Reader, Speaker, preferences
from gyrocompass.audits.shift.out_of_distribution import ACCURACY, CALIBRATION, Shifted, accuracy_gap, calibration_gap
from gyrocompass.errors import InputError
from gyrocompass.maths import stats, twosample
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


def pairs(n, side):
    return [Preference(user(f"{side} {i}"), "good", "bad", meta={"question": i}) for i in range(n)]


def scorer_of(right):
    """The margin is 1 in each pair; which way round says `right` by prompt."""
    return lambda examples: np.array([float((e.response == "good") == right[e.prompt[0].content]) for e in examples])


def verdicts(inside, outside):
    return scorer_of(
        {f"{side} {i}": bool(x) for side, xs in (("in", inside), ("out", outside)) for i, x in enumerate(xs)}
    )


def test_translations_are_compared_with_what_they_translate():
    inside, outside = [1] * 90 + [0] * 10, [1] * 60 + [0] * 40
    found = accuracy_gap(Shifted(verdicts(inside, outside), pairs(100, "in"), pairs(100, "out"))).effect
    together = (60 * 10 - 30 * 0) / np.sqrt(90 * 10 * 60 * 40)
    a, b = stats.proportion(90, 100), stats.proportion(60, 100)
    below, above = a.value - a.low, b.high - b.value
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - np.sqrt(below**2 + above**2 - 2 * together * below * above))
    others = [replace(pair, meta={"question": f"another {i}"}) for i, pair in enumerate(pairs(100, "out"))]
    apart = accuracy_gap(Shifted(verdicts(inside, outside), pairs(100, "in"), others)).effect
    assert apart == pytest.approx(twosample.difference(a, b))
    assert found.high - found.low < apart.high - apart.low


def test_one_confidence_is_off_by_how_much_less_it_is_right():
    inside, outside = [1] * 900 + [0] * 100, [1] * 600 + [0] * 400
    found = calibration_gap(Shifted(verdicts(inside, outside), pairs(1000, "in"), pairs(1000, "out"))).effect
    assert found.value == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize(
    ("gap", "of", "translated"), [(accuracy_gap, 200, True), (accuracy_gap, 200, False), (calibration_gap, 25, True)]
)
def test_the_interval_of_a_gap_covers_it(gap, of, translated):
    """Each pair is as hard outside as inside, and besides read with a chance of 0.7, or else guessed: 0.9 and 0.78."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(of):
        inside, read, guess = rng.random(150) < 0.9, rng.random(150) < 0.7, rng.random(150) < 0.5
        outside = np.where(read, inside if translated else rng.random(150) < 0.9, guess)
        other = pairs(150, "out")
        if not translated:
            other = [replace(pair, meta={}) for pair in other]
        found = gap(Shifted(verdicts(inside, outside), pairs(150, "in"), other)).effect
        covered += found.low <= 0.9 - (0.7 * 0.9 + 0.3 * 0.5) <= found.high
    assert covered / of >= 0.9


def test_ties_say_nothing():
    tied = [Preference(user(f"what is one plus {x}"), "two", "three", p_first=0.5) for x in ("one", "two", "three")]
    with pytest.raises(Unmeasurable, match="no tie: 0"):
        accuracy_gap(Shifted(town.gold, tied, tied))
