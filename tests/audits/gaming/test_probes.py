import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.edits import EDITS, ENGLISH, TOWN
from gyrocompass.audits.gaming.probes import PROBES, ByChoice, Probe, case_of
from gyrocompass.audits.planted_scorers import Biased, english_gold, english_responses, town_responses
from gyrocompass.audits.selftest import self_test
from gyrocompass.errors import InputError
from gyrocompass.feedback.judge import scored_judge
from gyrocompass.feedback.raters import SimulatedRaters
from gyrocompass.maths import stats
from gyrocompass.protocols import Pair
from gyrocompass.records import Example, user
from gyrocompass.worlds import town

BY_NAME = dict(zip(EDITS, PROBES, strict=True))
GOOD, BAD = "The sky is blue.", "The sky is green."


def english(n=12):
    """n prompts, a good and a bad answer to each."""
    return [Example(user(f"I think it is number {i}."), text) for i in range(n) for text in (GOOD, BAD)]


def worth(examples):
    return np.array([1.0 if GOOD.rstrip(".") in e.response else -1.0 for e in examples])


def length_lover(examples):
    """Gold plus 0.1 for each letter."""
    return worth(examples) + np.array([0.1 * len(e.response) for e in examples])


def test_effect_by_hand():
    """Good minus bad is 2 - 0.1: the unit is 1.9 / sqrt 2; bold type adds four characters, 0.4."""
    finding = BY_NAME["formatting"](case_of(length_lover, english(), ENGLISH.edits["formatting"]), "m")
    assert finding.value == pytest.approx(0.4 * 2**0.5 / 1.9)
    assert finding.verdict == "flagged"
    assert finding.n == 12
    assert finding.detail["changed"] == 24
    assert finding.detail["example"]["after"] == f"**{finding.detail['example']['before']}**"
    shown = finding.detail["example"]
    assert shown["after_score"] - shown["before_score"] == pytest.approx(0.4)


def test_what_gold_justifies_is_left_out():
    """Gold takes off 0.4 and the scorer twice that, which is what it gives for gold."""

    def gold(examples):
        return worth(examples) - np.array([0.4 * e.response.startswith("**") for e in examples])

    case = case_of(lambda examples: 2 * gold(examples) + 7, english(), ENGLISH.edits["formatting"], gold)
    finding = BY_NAME["formatting"](case, "m")
    assert finding.value == pytest.approx(-0.8 / finding.detail["unit"])
    assert finding.detail["gold_change"] == pytest.approx(-0.4)
    assert finding.detail["worth_of_gold"] == pytest.approx(2)
    assert finding.verdict == "clean"


def test_a_scorer_that_doesn_t_react_is_clean_whatever_gold_does():
    def gold(examples):
        return worth(examples) - np.array([0.4 * e.response.startswith("**") for e in examples])

    finding = BY_NAME["formatting"](case_of(worth, english(), ENGLISH.edits["formatting"], gold), "m")
    assert finding.value == pytest.approx(0)
    assert finding.verdict == "clean"


def test_the_interval_carries_the_error_of_unit_and_worth():
    """That of the whole effect, resampled by prompt: half of it comes from a unit that twenty pairs tell."""
    rng = np.random.default_rng(0)
    scores, worths = rng.normal(0, 1, (2, 20)), rng.normal(0, 1, (2, 20))
    scores += worths
    gain, loss = rng.normal(2.0, 0.5, 20), rng.normal(-0.5, 0.2, 20)

    def read(table, added):
        def score(examples):
            return np.array([table[0 if "a" in e.response else 1, int(e.prompt[0].content)]
                             + added[int(e.prompt[0].content)] * ("!" in e.response) for e in examples])  # fmt: skip

        return score

    def case(chosen):
        prompts = [user(str(i)) for i in chosen]
        spread = [Pair(prompt, "a", "b") for prompt in prompts]
        return Probe(read(scores, gain), [Pair(p, "a!", "a") for p in prompts], spread, read(worths, loss))

    found = BY_NAME["filler"].measure(case(range(20))).effect
    draws = [resampled(scores, worths, gain, loss, rng.integers(20, size=20)) for _ in range(4000)]
    assert found.value == pytest.approx(resampled(scores, worths, gain, loss, np.arange(20)))
    assert (found.high - found.low) / 2 == pytest.approx(2.09 * np.std(draws), rel=0.2)
    gains = gain / np.sqrt(((scores[0] - scores[1]) ** 2 / 2).mean())
    assert found.high - found.low > 1.5 * (stats.mean(gains).high - stats.mean(gains).low)


def resampled(scores, worths, gain, loss, chosen):
    """The effect on these prompts: the lesser of the rise, and of the rise beyond what gold justifies."""
    d, g = (table[0, chosen] - table[1, chosen] for table in (scores, worths))
    unit, worth = np.sqrt((d**2).mean() / 2), max(0, d @ g / (g @ g))
    return min(gain[chosen].mean(), (gain - worth * loss)[chosen].mean()) / unit


def test_a_judge_in_both_orders():
    """It chooses the longer one: p = 1 - 1/2 by edit, 1/2 between good and bad, so that the unit is 1/2 / sqrt 2."""
    judge = scored_judge(lambda examples: np.array([float(len(e.response)) for e in examples]))
    finding = BY_NAME["filler"](case_of(ByChoice(judge), english(), ENGLISH.edits["filler"]), "m")
    assert finding.value == pytest.approx(2**0.5)
    assert "p = 1.00" in finding.said
    assert finding.detail["example"]["after_score"] == pytest.approx(1)


def test_a_judge_that_goes_by_place_is_not_passed():
    case = case_of(ByChoice(lambda pairs: np.ones(len(pairs))), english(), ENGLISH.edits["filler"])
    finding = BY_NAME["filler"](case, "m")
    assert finding.verdict == "underpowered"
    assert "the same to it" in finding.said


def test_abstentions_widen():
    def judge(pairs):
        p = scored_judge(lambda examples: np.array([float(len(e.response)) for e in examples]))(pairs)
        return np.where([pair.prompt == english()[0].prompt for pair in pairs], np.nan, p)

    sure, unsure = (
        BY_NAME["filler"](case_of(ByChoice(j), english(), ENGLISH.edits["filler"]), "m")
        for j in (scored_judge(lambda examples: np.array([float(len(e.response)) for e in examples])), judge)
    )
    assert unsure.value == pytest.approx(sure.value)
    assert unsure.low < sure.low
    mute = case_of(ByChoice(lambda pairs: np.full(len(pairs), np.nan)), english(), ENGLISH.edits["filler"])
    assert BY_NAME["filler"](mute, "m").verdict == "underpowered"


@pytest.mark.parametrize(
    ("scorer", "examples", "why"),
    [
        (lambda examples: np.ones(len(examples)), english(), "the same to it"),
        (worth, english()[:8], "fewer than 10"),
        (worth, english(30)[::2], "two different responses"),
        (worth, [Example(e.prompt, f"**{e.response}**") for e in english()], "changes 0 of 24 responses"),
    ],
)
def test_not_measured(scorer, examples, why):
    case = case_of(scorer, examples, ENGLISH.edits["formatting"])
    with pytest.raises(Unmeasurable, match=why):
        BY_NAME["formatting"].measure(case)
    assert BY_NAME["formatting"](case, "m").verdict == "underpowered"


def test_a_nan_score_is_an_error():
    case = case_of(lambda examples: np.full(len(examples), np.nan), english(), ENGLISH.edits["filler"])
    with pytest.raises(InputError, match="NaN"):
        BY_NAME["filler"](case, "m")


@pytest.mark.parametrize("name", [name for name in EDITS if TOWN.edits[name]])
def test_gold_is_clean(name):
    finding = BY_NAME[name](case_of(town.gold, town_responses(120, 0), TOWN.edits[name], town.gold), "gold")
    assert finding.verdict == "clean"
    assert finding.value <= 1e-9


@pytest.mark.parametrize("name", ["filler", "confidence added", "confidence removed", "agreement"])
def test_the_towns_raters_are_as_they_are_written(name):
    """PERCEIVED pays for each of these; the noisy judge made of the same raters shows it too."""
    raters = SimulatedRaters(town.utility, town.BLINDNESS, 0.3)
    for rater in (town.utility, ByChoice(raters)):
        finding = BY_NAME[name](case_of(rater, town_responses(120, 0), TOWN.edits[name], town.gold), "raters")
        assert finding.low > 0
        assert finding.verdict in ("flagged", "clean" if name.startswith("confidence") else "flagged")


def test_planted_scorers():
    """What they pay is gold and the bonus; noise stays with the response, and the seed draws it."""
    examples = town_responses(40, 0)
    quiet = Biased(town.gold, TOWN, {"filler": 0.5}, scale=2.0)
    fillers = np.array([TOWN.manner(town.prompt_text(e.prompt), e.response).filler for e in examples])
    assert quiet(examples) == pytest.approx(2 * (town.gold(examples) + 0.5 * fillers))
    noisy = Biased(town.gold, TOWN, noise=0.3, seed=1)
    assert (noisy(examples[::-1]) == noisy(examples)[::-1]).all()
    assert (noisy(examples) != Biased(town.gold, TOWN, noise=0.3, seed=2)(examples)).any()
    assert np.std(noisy(examples) - town.gold(examples)) == pytest.approx(0.3, rel=0.2)
    assert set(english_gold(english_responses(30, 0))) == {-1, 0, 1}


def test_a_case_by_hand():
    """The pairs may come from anywhere."""
    pairs = [Pair(user(str(i)), "good", "bad") for i in range(10)]
    case = Probe(lambda examples: np.array([float(e.response == "good") for e in examples]), pairs, pairs)
    assert BY_NAME["filler"](case, "m").value == pytest.approx(2**0.5)


@pytest.mark.parametrize("name", EDITS)
def test_self_test(name):
    """A smoke test; `gyro audit --self-test` measures the rates."""
    tested = self_test(BY_NAME[name], cases=4)
    assert tested.sensitivity.value == 1
    assert tested.false_alarms.value == 0


@pytest.mark.parametrize("name", ["filler", "formatting"])
def test_a_weaker_bias_has_a_smaller_effect(name):
    plain, weak = ([BY_NAME[name](BY_NAME[name].planted(i, s), "m").value for i in range(3)] for s in (1.0, 0.25))
    assert all(0 < w < p for w, p in zip(weak, plain, strict=True))
