from __future__ import annotations

import pytest

from gyrocompass.feedback.amplify import Node
from gyrocompass.pipelines.amplification import reach
from gyrocompass.pipelines.amplify_findings import Learnt, Sums, lead_over_seeds, measurements, over_seeds, sentences
from gyrocompass.worlds.puzzles import PUZZLES, Wildcard


def run(method: str, seed: int, right: list[int], calls: int = 10) -> dict[str, object]:
    probes = [{"step": 0, "right": [0, 0, 0, 0], "calls": 0}, {"step": 9, "right": right, "calls": calls}]
    return {"method": method, "seed": seed, "depths": [0, 2, 2, 3], "probes": probes, "trees": []}


@pytest.fixture
def learnt() -> Learnt:
    runs = [run("ida", 0, [1, 1, 1, 1]), run("ida", 1, [1, 1, 1, 0]), run("ida", 2, [1, 1, 0, 1])]
    runs += [run("one-shot", seed, [1, 0, 1, 0], calls) for seed, calls in enumerate((4, 6, 8))]
    return Learnt(Wildcard(), 1, tuple(runs))


def test_accuracy_is_by_depth_over_seeds(learnt: Learnt) -> None:
    found = learnt.accuracy("ida", 2)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(5 / 6), 3)
    assert learnt.accuracy("ida", 2, 0).value == 0.0  # type: ignore[union-attr]
    assert learnt.accuracy("ida", 1) is None


def test_the_lead_counts_depths_beyond_the_overseer_alone(learnt: Learnt) -> None:
    lead = learnt.beyond("one-shot")
    assert lead is not None
    assert lead.value == pytest.approx((2 + 1 + 1) / 9)  # of 3, 2 and 2 right answers, 1 each is one-shot's
    assert lead.low < lead.value < lead.high
    assert learnt.beyond("supervised") is None
    assert Learnt(Wildcard(), 1, learnt.runs[:1]).beyond("ida") is None


def test_calls_are_of_the_whole_run(learnt: Learnt) -> None:
    calls = learnt.calls("one-shot")
    assert calls is not None
    assert (calls.value, calls.n) == (6.0, 3)


def test_an_interval_has_width_where_no_two_seeds_differ() -> None:
    assert over_seeds([1, 1, 1, 1], [0, 0, 1, 1]).low < 1.0
    assert over_seeds([1, 1, 0], [0, 0, 0]).n == 3
    same = lead_over_seeds([1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1])
    assert (same.value, same.high) == (1.0, 1.0)
    assert same.low < 1.0


@pytest.mark.parametrize(
    ("name", "depth"), [("powering", 1), ("wildcard", 1), ("assignments", 1), ("paths", 0), ("union", 0)]
)
def test_how_deep_the_overseer_reaches_alone(name: str, depth: int) -> None:
    assert reach(PUZZLES[name]()) == depth


def sums() -> Sums:
    answers = [
        {"model": model, "seed": seed, "question": f"q{i}", "terms": 3, "right": i < hits[seed]}
        for model, hits in (("base", [1]), ("ida-1", [4, 3]), ("one-shot", [2, 1]))
        for seed in range(len(hits))
        for i in range(4)
    ]
    return Sums(answers, {"ida-amplify-1": [Node("q", "a", "overseer", 2), Node("r", None, "nobody")]})


def test_sums_are_told_with_their_lead(learnt: Learnt) -> None:
    found = sums()
    assert found.accuracy("base", 3).value == 0.25
    assert found.lead("ida-1", "one-shot", 3).value == 0.5
    said = sentences([learnt], found)
    assert said[0].startswith("Wildcard: beyond depth 1, which is as far as the overseer gets alone")
    assert "Sums of 3 terms" in said[-1]
    rows = {(row.model, row.metric, row.slice): row for row in measurements([learnt], found)}
    assert rows["ida", "accuracy", "wildcard, depth 2"].value == pytest.approx(5 / 6)
    assert rows["ida", "accuracy_lead", "wildcard, over one-shot"].n == 3
    assert rows["one-shot", "overseer_calls", "wildcard"].value == 6.0
    assert rows["one-shot", "accuracy", "sums of 3 terms"].n == 2


def test_a_verdict_that_cannot_be_given_says_what_it_lacks(learnt: Learnt) -> None:
    def verdict(runs: tuple[dict[str, object], ...]) -> str:
        return sentences([Learnt(Wildcard(), 1, runs)], sums())[0]

    alone = verdict(tuple(learnt.of("ida")))
    assert "amplification.methods" in alone
    assert "one-shot" in alone
    assert "seeds" not in alone
    once = verdict((learnt.runs[0], learnt.runs[3]))
    assert "set amplification.seeds to 2 or more" in once


def test_own_questions_are_told_by_round() -> None:
    told = sentences([], Sums([], sums().trees))
    assert told == ["ida-amplify-1: 1 of 2 questions answered, 2 calls."]
