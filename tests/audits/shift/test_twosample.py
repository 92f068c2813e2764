"""Two sets of texts."""

import json

import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.shift.twosample import OUTPUTS, PROMPTS, Texts, TwoSets, apart, prompts, responses
from gyrocompass.records import Example, user
from gyrocompass.worlds import town

PLAIN = [f"{number} is the answer" for number in ("one", "two", "three", "four") * 25]
GROUPS = [str(i) for i in range(100)]


def sets(first, second, groups=GROUPS):
    return TwoSets(Texts("before", first, groups), Texts("after", second, groups))


def test_the_same_texts_are_not_told_apart():
    found = apart(sets(PLAIN, PLAIN))
    assert found.effect.value == 0.0
    assert "chance is 0.50" in found.said
    assert OUTPUTS(sets(PLAIN, PLAIN), "m").verdict != "flagged"


def test_a_new_word_is_told_and_named():
    found = OUTPUTS(sets(PLAIN, [f"certainly {text}" for text in PLAIN]), "m")
    assert found.verdict == "flagged"
    assert found.value == 1.0
    assert "certainly" in found.detail["second_terms"]
    json.dumps(found.row, allow_nan=False)


def test_marks_and_line_ends_are_told_in_one_line():
    said = apart(sets(PLAIN, [f"{text}\n\n!" for text in PLAIN])).said
    assert "\n" not in said
    assert r"'\n'" in said


def test_a_change_in_half_of_the_texts_is_a_share_of_half():
    changed = [f"certainly {text}" if i % 2 else text for i, text in enumerate(PLAIN)]
    found = apart(sets(PLAIN * 4, changed * 4, [str(i) for i in range(400)])).effect
    assert found.low < 0.5 < found.high + 0.05


def test_responses_are_grouped_by_prompt_and_prompts_by_question():
    examples = [Example(user("q"), "a", meta={"question": "x"}), Example(user("r"), None)]
    assert responses("m", examples) == Texts("m", ["a", ""], ["q", "r"])
    assert prompts("m", examples) == Texts("m", ["q", "r"], ["x", "r"])


def test_another_dialect_is_another_sort_of_prompt():
    case = TwoSets(prompts("a", town.prompts(300, 1)), prompts("b", town.prompts(300, 2, dialect=True)), "prompts")
    found = PROMPTS(case, "m")
    assert found.verdict == "flagged"
    assert "lo" in found.detail["second_terms"]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [([], ["a"], "before has no responses"), (["a"], [], "after has no responses"), (["a"], ["b"], "too few")],
)
def test_too_little_is_said_to_be(first, second, why):
    with pytest.raises(Unmeasurable, match=why):
        apart(TwoSets(Texts("before", first, GROUPS[: len(first)]), Texts("after", second, GROUPS[: len(second)])))
