from collections import defaultdict

import pytest

from gyrocompass.feedback.steps import Cutting
from gyrocompass.records import Example, user
from gyrocompass.worlds import town
from gyrocompass.worlds.town import chains, intent

PROMPT = user("is three plus two minus one even or odd")
CUTTING = Cutting(chains.CUT, " ")


@pytest.mark.parametrize(
    ("response", "labels", "answer", "trace"),
    [
        ("three plus two is five then five minus one is four so it is even", (1, 1, 1), True, True),
        ("three plus two is seven then seven minus one is six so it is even", (0, 0, 0), True, False),
        ("three plus two is six then six minus one is five so it is odd", (0, 0, 0), False, False),
        ("three plus two is five then five minus one is four so it is odd", (1, 1, 0), False, True),
        ("three plus two is five then five minus one is two so it is even", (1, 0, 0), True, False),
        ("three plus two is five then five minus one is four", (1, 0), False, True),
        ("three plus two is five", (0,), False, False),
        ("even", (0,), True, False),
    ],
)
def test_steps_answers_and_traces(response, labels, answer, trace):
    assert chains.step_labels(PROMPT, CUTTING(response)) == labels
    example = Example(PROMPT, response)
    assert chains.answers_right([example]) == [answer]
    assert chains.traces_right([example]) == [trace]


def test_a_worked_answer_falls_into_three_steps():
    steps = CUTTING("one plus two is three then three plus four is seven so it is odd")
    assert steps == ("one plus two is three", "then three plus four is seven", "so it is odd")


def test_careless_people_reach_right_answers_by_wrong_steps():
    shown = chains.Careless(0, slips=0.15).chains(2000)
    right, traced = chains.answers_right(shown), chains.traces_right(shown)
    wrong_by_right = 1 - sum(t for t, r in zip(traced, right, strict=True) if r) / sum(right)
    assert 0.10 < 1 - sum(right) / 2000 < 0.18
    assert 0.12 < wrong_by_right < 0.20
    careful = chains.Careless(0).chains(200)
    assert all(chains.traces_right(careful))
    assert all(set((e.response or "").split()) <= set(town.WORDS) for e in shown)


def test_a_habit_is_the_same_error_every_time_and_a_slip_is_not():
    def results(person):
        said = defaultdict(set)
        for example in person.chains(3000):
            for step in CUTTING(example.response)[:2]:
                sum_, result = step.removeprefix("then ").split(" is ")
                said[sum_].add(result)
        return said

    habitual = results(chains.Careless(0, habits=0.2))
    assert all(len(found) == 1 for found in habitual.values())
    wrong = {sum_ for sum_, (result,) in habitual.items() if intent.calculate(*sum_.split()) != result}
    assert 0.13 < len(wrong) / len(habitual) < 0.27
    others = results(chains.Careless(1, habits=0.2))
    common = habitual.keys() & others.keys()
    assert any(habitual[sum_] != others[sum_] for sum_ in common), "people differ in their habits"
    assert any(len(found) > 1 for found in results(chains.Careless(0, slips=0.2)).values())


def test_held_out_questions_are_never_shown():
    shown = {e.meta["question"] for e in chains.Careless(1, 0.15).chains(500)}
    assert not shown & {e.meta["question"] for e in chains.chain_questions(500, 1, "heldout")}
    assert chains.chain_questions(20, 3) == chains.chain_questions(20, 3)
    assert chains.chain_answer("i do not know") is None
