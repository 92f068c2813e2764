import pytest

from gyrocompass.feedback.steps import Cutting
from gyrocompass.records import Example, user
from gyrocompass.worlds import town
from gyrocompass.worlds.town import chains

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
    shown = chains.careless_chains(2000, 0, 0.15)
    right, traced = chains.answers_right(shown), chains.traces_right(shown)
    wrong_by_right = 1 - sum(t for t, r in zip(traced, right, strict=True) if r) / sum(right)
    assert 0.10 < 1 - sum(right) / 2000 < 0.18
    assert 0.12 < wrong_by_right < 0.20
    careful = chains.careless_chains(200, 0, 1e-9)
    assert all(chains.traces_right(careful))
    assert all(set((e.response or "").split()) <= set(town.WORDS) for e in shown)


def test_held_out_questions_are_never_shown():
    shown = {e.meta["question"] for e in chains.careless_chains(500, 1, 0.15)}
    assert not shown & {e.meta["question"] for e in chains.chain_questions(500, 1, "heldout")}
    assert chains.chain_questions(20, 3) == chains.chain_questions(20, 3)
    assert chains.chain_answer("i do not know") is None
