"""Mitigations on the town, tiny: what the run leaves behind, that it resumes, and what it does without a world."""

import json
import shutil

import pytest

from gyrocompass.cli import main
from gyrocompass.config import Recipe
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.hacking import hacking
from gyrocompass.recipe import load, recipe_path
from gyrocompass.report import read as read_report
from gyrocompass.report import render
from gyrocompass.run import Run

TINY = [
    "sampling.max_new_tokens=16", "preferences.demonstrations=96", "preferences.prompts=64", "sft.epochs=1",
    "reward.epochs=1", "ppo.steps=2", "ppo.batch_size=16", "ppo.epochs=1", "ppo.checkpoint_every=1",
    "ppo.learning_rate=1e-3", "evaluation.prompts=24", "evaluation.probes=1", "hacking.members=2",
    "compute.device=cpu",
]  # fmt: skip
TRAINED = ["again", "mean", "worst-case", "variance", "averaged", "length", "constrained", "constrained-gold", "kl"]


def command(out):
    return ["run", "hacking", "--out", str(out), *(part for s in TINY for part in ("--set", s)), "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of all mitigations."""
    out = tmp_path_factory.mktemp("hacking") / "run"
    main(command(out))
    return out


def test_the_stages_are_the_reward_models_and_a_policy_for_each_mitigation(folder):
    state = read_json(folder / "run.json")
    assert state["status"] == "done"
    assert [s["name"][3:] for s in state["stages"]] == [
        "sft", "preferences", "reward", "validation-reward", "ppo", "reward-2", "reward-averaged",
        *(f"ppo-{name}" for name in TRAINED), "evaluation",
    ]  # fmt: skip
    assert state["summary"] == read_json(folder / "hacking.json")["sentences"]


def test_every_course_is_measured_on_the_same_prompts_and_the_stops_on_others(folder):
    found = read_json(folder / "hacking.json")
    assert found["gauge"] == "gold"
    assert [w["gauge"] for w in found["watches"]] == ["validation_proxy", "gold"]
    assert {w["n"] for w in found["watches"]} == {6}
    courses = {c["name"]: c for c in found["courses"]}
    assert list(courses) == ["single", *TRAINED, "stopped", "stopped-gold"]
    for course in courses.values():
        assert {p["n"] for p in course["points"]} == {18}
        assert course["points"][0] == {**courses["single"]["points"][0], **_own(course["points"][0])}
    for name in ("stopped", "stopped-gold"):
        points = courses[name]["points"]
        assert points == courses["single"]["points"][: len(points)]
        assert courses[name]["equal_kl"] is None
    for course in list(courses.values())[1:]:
        assert course["end"]["n"] == 17  # questions: two of the prompts ask the same
        assert course["end"]["low"] <= course["end"]["value"] <= course["end"]["high"]
        gain = course["points"][-1]["gold"] - courses["single"]["points"][-1]["gold"]
        assert course["end"]["value"] == pytest.approx(gain)


def _own(point):
    """The proxy is each course's own."""
    return {key: value for key, value in point.items() if key.startswith("proxy")}


def test_the_baseline_trained_again_differs_by_its_seed_alone(folder):
    """Both start from one policy, before whose first step both are the same; then they draw other responses."""
    single, again, *_ = read_json(folder / "hacking.json")["courses"]
    assert again["rests_on"] == ["reward", "ppo-again"]
    assert single["points"][0] == again["points"][0]
    assert single["points"][-1] != again["points"][-1]
    cards = [next(folder.glob(f"stages/*-{name}")) / "model" / "README.md" for name in ("ppo", "ppo-again")]
    settings = [card.read_text().partition("```json")[2] for card in cards]
    assert settings[0] == settings[1]


def test_evals_has_a_slice_for_each_mitigation(folder):
    rows = {
        (r["model"], r["metric"], r["slice"]): r for r in read_json(folder / "evals.json") if r["property"] == "intent"
    }
    courses = {c["name"]: c for c in read_json(folder / "hacking.json")["courses"]}
    for name, course in courses.items():
        row = rows["ppo", "gold", f"mitigation={name}"]
        assert row["value"] == pytest.approx(course["points"][-1]["gold"])
        assert row["n"] == 18
    assert rows["ppo", "gold", None]["value"] == rows["ppo", "gold", "mitigation=single"]["value"]
    assert rows["ppo", "gold_gain", "mitigation=mean"]["value"] == pytest.approx(courses["mean"]["end"]["value"])
    for model in ("reward", "reward-averaged"):
        assert rows[model, "accuracy", "validation preferences"]["n"] > 1
    assert {("reward-2", "accuracy", None), ("validation-reward", "accuracy", None)} <= set(rows)


def test_the_reward_models_learn_from_prompts_that_the_watching_one_never_sees(folder):
    """The watcher has half of the prompts, so that a bootstrap of the others can hold none of its own."""
    settings = {c["name"]: c["rests_on"] for c in read_json(folder / "hacking.json")["courses"]}
    assert settings["single"] == ["reward", "ppo"]
    assert settings["averaged"] == ["reward", "reward-2", "reward-averaged", "ppo-averaged"]
    assert settings["constrained"] == ["reward", "ppo", "validation-reward", "ppo-constrained"]
    assert settings["stopped-gold"] == ["reward", "ppo"]


def test_a_constrained_run_has_its_threshold_and_the_others_none(folder):
    cards = {name: (next(folder.glob(f"stages/*-ppo-{name}")) / "model" / "README.md").read_text()
             for name in ("constrained", "kl", "mean")}  # fmt: skip
    assert '"constrain": null' not in cards["constrained"]
    assert '"constrain": null' in cards["mean"]
    assert '"kl_coef": 0.3' in cards["kl"]
    rows = [r for r in read_jsonl(folder / "metrics.jsonl") if r["stage"] == "ppo-constrained"]
    assert any("multiplier" in row for row in rows)


def test_the_report_shows_the_mitigations_and_takes_them_for_no_kinds_of_prompt(folder):
    html = render(read_report(folder))
    assert '<section id="hacking"' in html
    assert '<section id="curve"' not in html
    assert "mitigation=" not in html


def test_a_run_that_was_stopped_goes_on_and_ends_where_it_would_have(folder, tmp_path):
    stopped = tmp_path / "run"
    shutil.copytree(folder, stopped)
    state = read_json(stopped / "run.json")
    state["status"] = "running"
    for entry in state["stages"][-2:]:
        entry["status"] = "running"
    (stopped / "run.json").write_text(json.dumps(state))
    shutil.rmtree(next(stopped.glob("stages/*-ppo-kl")) / "probes")
    (stopped / "hacking.json").unlink()
    kept = next(stopped.glob("stages/*-ppo-mean/model/model.safetensors"))
    before = kept.stat().st_mtime_ns
    main(command(stopped))
    assert kept.stat().st_mtime_ns == before
    assert read_json(stopped / "evals.json") == read_json(folder / "evals.json")


def own_recipe(checkpoint, data, **changes):
    stage = {"batch_size": 8}
    return Recipe.model_validate({
        "pipeline": "hacking", "model": str(checkpoint("llama")), "data": str(data), "compute": {"device": "cpu"},
        "sampling": {"max_new_tokens": 8}, "sft": stage, "reward": {**stage, "heldout_fraction": 0.2},
        "ppo": {**stage, "steps": 1, "minibatches": 1}, "evaluation": {"prompts": 16, "probes": 1},
        "hacking": {"mitigations": ["length", "constrained", "stopped"]}, **changes,
    })  # fmt: skip


def test_your_own_preferences_have_a_gauge_and_a_watcher_that_share_no_prompt(checkpoint, tmp_path):
    rows = [{"prompt": f"what is {i}", "chosen": f"it is {i}", "rejected": "no"} for i in range(80)]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = own_recipe(checkpoint, data)
    run = Run.open(tmp_path / "run", recipe.model_dump(), quiet=True)
    hacking(recipe, run)
    found = read_json(run.folder / "hacking.json")
    assert found["gauge"] == "heldout_proxy"
    assert [w["gauge"] for w in found["watches"]] == ["validation_proxy"]
    assert [c["name"] for c in found["courses"]] == ["single", "again", "length", "constrained", "stopped"]
    names = [s["name"][3:] for s in read_json(run.folder / "run.json")["stages"]]
    assert {"heldout-reward", "validation-reward"} <= set(names)
    assert "reward-2" not in names


def test_too_few_held_out_prompts_are_one_line(checkpoint, tmp_path):
    data = tmp_path / "mine.jsonl"
    rows = [{"prompt": f"what is {i}", "chosen": f"it is {i}", "rejected": "no"} for i in range(30)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = own_recipe(checkpoint, data)
    with pytest.raises(InputError, match="held-out questions leave 1 for validation"):
        hacking(recipe, Run.open(tmp_path / "run", recipe.model_dump(), quiet=True))


def test_the_shipped_recipe_reads_whole_and_quick():
    whole, quick = (load(recipe_path("hacking"), quick=quick) for quick in (False, True))
    assert whole.pipeline == quick.pipeline == "hacking"
    assert whole.hacking.members > quick.hacking.members >= 2
