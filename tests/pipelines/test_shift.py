"""Distribution shift in runs and models."""

import json

import pytest

from gyrocompass.audits.shift.dialects import Reader, Speaker, in_dialects
from gyrocompass.config import Compute
from gyrocompass.errors import InputError
from gyrocompass.files import write_jsonl
from gyrocompass.pipelines import shift
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
    assert not [name for _, name in found if "script" in name]


def test_a_run_that_kept_no_responses_is_told(tmp_path):
    run = Run.open(tmp_path / "run", {"data": "own.jsonl"}, quiet=True)
    with pytest.raises(InputError, match="keeps no responses"):
        shift.of_run(run, Compute())


def test_deployed_prompts_are_compared_with_those_of_training():
    known, others = town.prompts(300, 1), town.prompts(300, 2, dialect=True)
    assert shift.of_prompts(known, others, "m").verdict == "flagged"
    assert shift.of_prompts(known, town.prompts(300, 3), "m").verdict != "flagged"
