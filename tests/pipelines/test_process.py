import numpy as np
import pytest

from gyrocompass.config import Recipe
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.process import process
from gyrocompass.pipelines.process_findings import Pool, Reading, content, measurements, sentences, trace_error
from gyrocompass.recipe import load, recipe_path
from gyrocompass.report import read, render
from gyrocompass.run import Run

TINY = {
    "pipeline": "process",
    "sampling": {"max_new_tokens": 24},
    "preferences": {"demonstrations": 96, "prompts": 40},
    "sft": {"learning_rate": 1e-3, "batch_size": 32},
    "reward": {"learning_rate": 1e-3, "batch_size": 16},
    "ppo": {"learning_rate": 1e-4, "batch_size": 16, "minibatches": 1, "steps": 1},
    "process": {
        "questions": 12,
        "chains": 2,
        "rollouts": 1,
        "seeds": 2,
        "processes": 1,
        "policies": ["outcome-rl", "process-rl"],
    },
    "evaluation": {"prompts": 30, "best_of": 4},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process") / "run"
    recipe = Recipe.model_validate(TINY)
    run = Run.open(folder, recipe.model_dump(mode="json"), quiet=True)
    with run.guard():
        process(recipe, run)
    return folder


def test_every_policy_has_both_errors_by_seed_and_whole(done):
    rows = read_json(done / "evals.json")
    found = {(row["model"], row["metric"], row["slice"]) for row in rows}
    for model in ("sft", "outcome-rl", "process-rl"):
        for metric in ("answer_error", "trace_error"):
            assert {(model, metric, cut) for cut in (None, "seed-0", "seed-1")} <= found
    assert {("best-of-4", "answer_error", name) for name in ("orm", "prm", "mc-soft", "majority", "checker")} <= found
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_a_perfect_checker_chooses_ever_better(done):
    curves = {one["scorer"]: one["points"] for one in read_json(done / "process.json")["best_of"]["curves"]}
    errors = [point["answer_error"]["value"] for point in curves["checker"]]
    assert errors == sorted(errors, reverse=True)
    first = [points[0]["answer_error"]["value"] for name, points in curves.items() if name != "majority"]
    assert first == pytest.approx([first[0]] * len(first)), "of one response there is nothing to choose"


def test_a_finished_stage_is_not_done_again_and_the_result_is_the_same(done):
    before = (done / "process.json").read_text()
    recipe = Recipe.model_validate(TINY)
    run = Run.attach(done, quiet=True)
    process(recipe, run)
    assert (done / "process.json").read_text() == before


def test_the_labels_of_a_run_are_kept(done):
    steps = read_jsonl(next(done.glob("stages/*-seeds/seed-0/stages/*-rollouts")) / "steps.jsonl")
    assert len(steps) == 24
    assert all(len(row["steps"]) == len(row["labels"]) for row in steps)


def test_the_report_shows_the_study(done):
    html = render(read(done))
    assert "outcome against process supervision" in html
    assert "MONA" in html
    assert "not finite" not in html


def test_the_recipe_is_the_town_s():
    recipe, quick = load(recipe_path("process")), load(recipe_path("process"), quick=True)
    assert recipe.pipeline == "process"
    assert quick.process.questions < recipe.process.questions


def test_other_data_is_sent_elsewhere(tmp_path):
    recipe = Recipe(pipeline="process", data="mine.jsonl", model="mine")
    with pytest.raises(InputError, match="gyro process"):
        process(recipe, Run.open(tmp_path / "run", {"seed": 0}, quiet=True))


def test_trace_errors_are_counted_among_right_answers():
    """Of four answers three are right, and one of these came by wrong steps: 1/3."""
    reading = Reading(0, "sft", np.array([1.0, 1, 1, 0]), np.array([1.0, 1, 0, 0]), np.array(list("abcd")))
    assert trace_error(reading.cases) == pytest.approx(1 / 3)
    assert reading.estimate("trace_error").value == pytest.approx(1 / 3)
    assert reading.estimate("trace_error").n == 3
    assert reading.estimate("answer_error").value == 0.25


def test_without_a_right_answer_no_trace_error_is_measured_and_the_rest_is():
    right, wrong = np.ones(4), np.zeros(4)
    asked = np.array(list("abcd"))
    readings = [Reading(s, m, r, r, asked) for s in (0, 1) for m, r in (("sft", right), ("outcome-rl", right))]
    readings += [Reading(s, "process-rl", wrong, wrong, asked) for s in (0, 1)]
    curve = [np.stack([wrong, wrong], 1)]
    pools = [Pool(s, [1], {"checker": curve}, {}, asked, []) for s in (0, 1)]
    found = content(Recipe(pipeline="process"), readings, pools)
    (difference,) = found["differences"]
    assert difference["trace_error"] is None
    assert difference["answer_error"]["value"] == 1
    assert [policy["trace_error"] is None for policy in found["policies"]] == [False, False, True]
    assert found["best_of"]["curves"][0]["points"][0]["trace_error"] is None
    told = sentences(found)
    assert any("can't be compared" in line for line in told)
    assert any("process-rl" in line and "trace error not measured" in line for line in told)
    rows = {(row.model, row.metric, row.slice) for row in measurements(found)}
    assert ("process-rl", "answer_error", "seed-0") in rows
    assert ("process-rl", "trace_error", None) not in rows


def test_the_claim_is_made_as_far_as_its_interval_carries_it():
    def found(low, high):
        error = {"value": (low + high) / 2, "low": low, "high": high, "n": 3}
        difference = {"model": "process-rl", "over": "outcome-rl", "trace_error": error, "answer_error": error}
        return {"seeds": 3, "differences": [difference], "policies": [], "best_of": {"sizes": [1], "curves": []}}

    assert sentences(found(-0.2, -0.1))[0].startswith("Trace error among right answers is lower under process-rl")
    assert sentences(found(-0.2, 0.1))[0].startswith("Trace error can't be told apart")
    assert "is higher under" in sentences(found(0.1, 0.2))[0]
    assert "over 3 seeds" in sentences(found(0.1, 0.2))[0]
    assert "in one training run" in sentences(found(0.1, 0.2) | {"seeds": 1})[0]
