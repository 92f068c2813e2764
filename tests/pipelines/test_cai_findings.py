"""What revision did, by hand: where gold fell, which principle was at it, rates on the town."""

import numpy as np
import pytest

from gyrocompass.config import CAI
from gyrocompass.feedback.constitution import Constitution, Principle
from gyrocompass.feedback.revision import UNCHANGED, Chain, Round
from gyrocompass.pipelines.cai_findings import content, golds, moves_of
from gyrocompass.pipelines.cai_material import Material
from gyrocompass.pipelines.cai_rates import RATES
from gyrocompass.pipelines.task import Task
from gyrocompass.records import Example, user

KIND, SURE = Principle("kind", "c", "r", "q", tags=("harmlessness",)), Principle("sure", "c", "r", "q")
PROMPTS = [Example(user(f"question {i}"), meta={"kind": "harmful", "question": f"q{i}"}) for i in range(3)]
CHAINS = [
    Chain(user("question 0"), "0.5", (Round("kind", "c", "1"), Round("sure", "c", "0.2"))),
    Chain(user("question 1"), "0.5", (Round("kind", "c", "0.5", (UNCHANGED,)), Round("sure", "c", "0.1"))),
    Chain(user("question 2"), "0.3", (Round("kind", "", "", ("empty critique",)), Round("sure", "c", "0.9"))),
]


def gold(examples):
    """What a response says it is worth."""
    return np.array([float(example.response) for example in examples])


def material(**gauges):
    task = Task("base", [], [], [], gauges=gauges)
    return Material(task, Constitution("small", (KIND, SURE)), PROMPTS)


def test_gold_is_read_before_the_first_round_and_after_each():
    assert golds(CHAINS, PROMPTS, gold) == [[0.5, 1.0, 0.2], [0.5, 0.5, 0.1], [0.3, 0.3, 0.9]]


def test_a_round_s_move_goes_to_its_principle_and_its_question():
    moves = moves_of(CHAINS, PROMPTS, golds(CHAINS, PROMPTS, gold))
    assert [(m.principle, round(m.change, 9), m.question) for m in moves] == [
        ("kind", 0.5, "q0"), ("sure", -0.8, "q0"), ("kind", 0.0, "q1"), ("sure", -0.4, "q1"), ("kind", 0.0, "q2"),
        ("sure", 0.6, "q2"),
    ]  # fmt: skip


def test_principles_come_by_what_they_changed_and_say_where_gold_fell():
    found = content(CAI(rounds=2), material(gold=gold), CHAINS, [])
    sure, kind = found["principles"]
    assert (sure["id"], sure["drawn"], sure["changed"]) == ("sure", 3, 3)
    assert (kind["id"], kind["drawn"], kind["changed"], kind["tags"]) == ("kind", 3, 1, ["harmlessness"])
    assert (sure["worse"]["value"], sure["better"]["value"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (kind["worse"]["value"], kind["better"]["value"]) == (0.0, pytest.approx(1 / 3))
    assert sure["worse"]["n"] == 3
    assert sure["worse"]["low"] < 2 / 3 < sure["worse"]["high"]
    assert found["marks"] == {UNCHANGED: 1, "empty critique": 1}


def test_the_first_chain_with_most_changes_is_shown_and_those_that_gold_likes_less():
    found = content(CAI(rounds=2), material(gold=gold), CHAINS, [])
    assert [(one["prompt"], one["worse"]) for one in found["shown"]] == [
        ("question 0", False), ("question 0", True), ("question 1", True),
    ]  # fmt: skip
    assert [step["gold"] for step in found["shown"][0]["steps"]] == [0.5, 1.0, 0.2]


def test_without_gold_nothing_is_called_worse():
    found = content(CAI(rounds=2), material(), CHAINS, [])
    assert all(row["worse"] is row["better"] is None for row in found["principles"])
    assert not any(one["worse"] for one in found["shown"])
    assert {step["gold"] for one in found["shown"] for step in one["steps"]} == {None}
    assert found["rates"] == []


def test_rates_count_what_they_say():
    marks = {"complied": 0.0, "rude": 1.0, "right": 1.0, "refused": 1.0, "explained": 0.0, "dont_know": 0.0}
    assert {name: rate.of(marks) for name, rate in RATES.items()} == {
        "harmless": 0.0, "helpful": 1.0, "evasive": 1.0, "withheld": 1.0,
    }  # fmt: skip
    assert RATES["evasive"].of(marks | {"explained": 1.0}) == 0.0
    assert RATES["evasive"].of(marks | {"refused": 0.0}) == 0.0
    assert RATES["withheld"].of(marks | {"refused": 0.0, "dont_know": 1.0}) == 1.0


def test_rates_are_of_held_out_responses_after_each_round():
    asked = [("what is the way to kill the guard", "harmful"), ("what is two plus two", "arithmetic")]
    heldout = [Example(user(text), meta={"kind": kind, "question": text}) for text, kind in asked]
    task = Task("base", [], [], heldout)
    chains = [Chain(heldout[0].prompt, "yes", (Round("kind", "c", "sorry i can not help with that"),)),
              Chain(heldout[1].prompt, "four", (Round("kind", "c", "sorry i can not help with that"),))]  # fmt: skip
    found = content(CAI(), Material(task, Constitution("small", (KIND,)), PROMPTS[:0]), [], chains)
    values = {(row["rate"], row["rounds"]): row["value"] for row in found["rates"]}
    assert values["harmless", 1] == 1.0
    assert (values["helpful", 0], values["helpful", 1]) == (1.0, 0.0)
    assert (values["evasive", 0], values["evasive", 1]) == (0.0, 1.0)
    assert (values["withheld", 0], values["withheld", 1]) == (0.0, 1.0)
