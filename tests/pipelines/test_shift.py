"""Distribution shift in runs and models."""

import json

import numpy as np
import pytest

from gyrocompass.audits.shift.dialects import Reader, Speaker, in_dialects
from gyrocompass.config import Compute
from gyrocompass.errors import InputError
from gyrocompass.files import write_jsonl
from gyrocompass.pipelines import shift
from gyrocompass.records import Example, user
from gyrocompass.run import Run
from gyrocompass.worlds import town

GOOD, POOR = 0.95, 0.4


def verdicts(found):
    return {(f.model, f.finding): f.verdict for f in found}


def test_training_that_holds_in_one_dialect_is_found_out_on_the_town():
    policies = {"sft": Speaker(in_dialects(POOR, POOR)), "ppo": Speaker(in_dialects(GOOD, POOR))}
    found = verdicts(shift.on_town(policies, Reader(0.2, 1.0, 0)))
    assert found["ppo", "holds in one slice and fails in another"] == "flagged"
    assert found["ppo", "slice gap: gold by dialect"] == "flagged"
    assert found["sft", "slice gap: gold by dialect"] != "flagged"
    assert found["reward", "accuracy gap"] == "flagged"
    assert found["reward", "calibration gap"] == "flagged"


def test_training_that_holds_in_both_dialects_is_not():
    policies = {"sft": Speaker(in_dialects(POOR, POOR)), "ppo": Speaker(in_dialects(GOOD, GOOD))}
    found = verdicts(shift.on_town(policies, town.gold))
    assert found["ppo", "holds in one slice and fails in another"] == "clean"
    assert found["ppo", "slice gap: gold by dialect"] == "clean"
    assert found["reward", "accuracy gap"] == "clean"


def test_a_model_alone_is_sliced():
    found = shift.on_town({"m": Speaker(in_dialects(GOOD, POOR))}, asked=200)
    assert {f.finding for f in found} == {f"slice gap: gold by {by}" for by in ("dialect", "kind", "length")}
    json.dumps([f.row for f in found], allow_nan=False)


def test_a_run_on_the_town_is_audited_whole(town_run):
    found = shift.of_run(Run.attach(town_run[0], quiet=True), Compute(device="cpu"), 60)
    assert {f.model for f in found} == {"sft", "ppo", "reward"}
    assert {f.finding for f in found if f.model == "reward"} == {"accuracy gap", "calibration gap"}
    assert {f.finding for f in found if f.model == "ppo"} > {
        "holds in one slice and fails in another",
        "outputs differ",
    }
    json.dumps([f.row for f in found], allow_nan=False)


def own_run(tmp_path, rows):
    run = Run.open(tmp_path / "run", {"data": "own.jsonl", "model": "m"}, quiet=True)
    write_jsonl(run.stage_folder("evaluation") / "samples.jsonl", rows)
    return run


def kept(model, i, response, score):
    kind = "sums" if i % 2 else "facts"
    text = f"what is {i} plus {i}" if i % 2 else f"who is the mayor of town {i} these days"
    return {"model": model, "kind": kind, "prompt": text, "response": response, "proxy": 0.0, "heldout_proxy": score}


def test_a_run_on_data_of_its_own_is_sliced_by_what_its_prompts_are_like(tmp_path):
    rows = [kept(name, i, "no idea at all", 0.1 * (i % 7)) for name in ("base", "sft") for i in range(200)]
    rows += [kept("ppo", i, "clearly so", 0.1 * (i % 7) + (2.0 if i % 2 else 0.0)) for i in range(200)]
    found = verdicts(shift.of_run(own_run(tmp_path, rows), Compute()))
    assert {model for model, _ in found} == {"ppo"}
    assert found["ppo", "slice gap: the gain in heldout_proxy by kind"] == "flagged"
    assert found["ppo", "slice gap: the gain in heldout_proxy by length"] == "flagged"
    assert found["ppo", "outputs differ"] == "clean"
    assert not [name for _, name in found if "language" in name]


def test_a_stage_of_a_run_is_told_alone(tmp_path):
    rows = [kept(name, i, name, 0.1 * (i % 7) + (name == "ppo") * (i % 3)) for name in ("sft", "ppo", "dpo")
            for i in range(100)]  # fmt: skip
    run = own_run(tmp_path, rows)
    assert {f.model for f in shift.of_run(run, Compute(), stage="dpo")} == {"dpo"}
    assert {f.model for f in shift.of_run(run, Compute(), stage="sft")} == {"sft"}


def answers(model, *rows):
    """From (question, response, score)."""
    return shift.Answers(
        model, [Example(user(q), r) for q, r, _ in rows], {"score": np.array([s for *_, s in rows], dtype=float)}
    )


def test_what_was_gained_is_told_by_prompt_where_rows_do_not_correspond():
    before = answers("a", ("p", "x", 1), ("q", "x", 2), ("q", "y", 4), ("only before", "x", 9))
    after = answers("b", ("q", "z", 5), ("only after", "z", 9), ("p", "z", 0))
    gained = shift._gained(before, after)
    assert gained.questions == ["q", "p"]
    assert gained.worth["the gain in score"].tolist() == [2, -1]
    with pytest.raises(InputError, match="answer 0 prompts in common"):
        shift._gained(before, answers("b", ("r", "z", 5)))


def test_a_run_that_kept_no_responses_is_told(tmp_path):
    run = Run.open(tmp_path / "run", {"data": "own.jsonl"}, quiet=True)
    with pytest.raises(InputError, match="keeps no responses"):
        shift.of_run(run, Compute())


def test_deployed_prompts_are_compared_with_those_of_training():
    known, others = town.prompts(300, 1), town.prompts(300, 2, dialect=True)
    assert shift.of_prompts(known, others, "m").verdict == "flagged"
    assert shift.of_prompts(known, town.prompts(300, 3), "m").verdict != "flagged"
