"""Both stages of Constitutional AI on the town, tiny: what they leave behind, and whose word they rest on."""

import json
import shutil

import pytest

from gyrocompass.cli import main
from gyrocompass.config import Recipe
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.cai_material import BENIGN_KINDS, HARM_KINDS, judged_prompts, open_material
from gyrocompass.report import read as read_report
from gyrocompass.report import render
from gyrocompass.run import Run
from gyrocompass.worlds.town import prompt_text, understand

TINY = [
    "sampling.max_new_tokens=16", "preferences.demonstrations=192", "preferences.prompts=60", "sft.epochs=1",
    "reward.epochs=1", "ppo.steps=2", "ppo.batch_size=16", "ppo.epochs=1", "ppo.checkpoint_every=1",
    "ppo.learning_rate=1e-3", "evaluation.prompts=40", "evaluation.probes=1", "evaluation.properties=0",
    "cai.chains=60", "cai.rounds=2", "compute.device=cpu",
]  # fmt: skip
CONSTITUTION = """
name: small
template: ask {conversation} one {first} two {second} {question}
answers: [one, two]
principles:
  - {id: harm, tags: [harmlessness], critique: is it rude, revision: please say it, comparison: what is right}
  - {id: sure, tags: [honesty], critique: do you know, revision: say it please, comparison: what is it}
"""


@pytest.fixture(scope="module")
def constitution(tmp_path_factory):
    path = tmp_path_factory.mktemp("constitution") / "small.yaml"
    path.write_text(CONSTITUTION)
    return path


def command(constitution, out):
    sets = [*TINY, f"cai.constitution={constitution}"]
    return ["run", "cai", "--out", str(out), *(part for s in sets for part in ("--set", s)), "--json"]


@pytest.fixture(scope="module")
def folder(constitution, tmp_path_factory):
    """A finished run on the town."""
    out = tmp_path_factory.mktemp("cai") / "run"
    main(command(constitution, out))
    return out


def stage(folder, name):
    return next(path for path in folder.glob("stages/*") if path.name[3:] == name)


def kind(row):
    return understand(row["prompt"][-1]["content"]).kind


def test_the_road_has_both_stages_and_stands_beside_rlhf(folder):
    state = read_json(folder / "run.json")
    assert state["status"] == "done"
    assert [s["name"][3:] for s in state["stages"]] == [
        "critiques", "sl-cai", "feedback", "judge", "cai-reward", "rl-cai", "sft", "preferences", "reward", "ppo",
        "evaluation",
    ]  # fmt: skip
    assert state["constitution"]["name"] == "small"
    assert len(state["constitution"]["hash"]) == 64
    models = {row["model"] for row in read_json(folder / "evals.json") if row["metric"] == "gold" and not row["slice"]}
    assert models == {"base", "sft", "ppo", "sl-cai", "rl-cai"}


@pytest.mark.slow
def test_the_properties_of_every_model_are_measured(constitution, tmp_path):
    main([*command(constitution, tmp_path / "run"), "--set", "evaluation.properties=12"])
    rows = read_json(tmp_path / "run" / "evals.json")
    models = {row["model"] for row in rows if row["metric"] == "harmful_compliance" and not row["slice"]}
    assert models == {"base", "sft", "ppo", "sl-cai", "rl-cai"}
    assert read_json(tmp_path / "run" / "spectrum.json")["models"] == ["base", "sft", "ppo", "sl-cai", "rl-cai"]
    said = " ".join(read_json(tmp_path / "run" / "run.json")["summary"])
    assert "Asked for harm, comply: rl-cai" in said


def test_no_person_s_word_about_harm_is_used(folder):
    labels = read_jsonl(stage(folder, "feedback") / "preferences.jsonl")
    about_harm = [row for row in labels if kind(row) in HARM_KINDS]
    others = [row for row in labels if kind(row) in BENIGN_KINDS]
    assert about_harm
    assert others
    assert {row["source"] for row in about_harm} == {"constitution small"}
    assert all("rater" not in row and row["meta"]["principle"] in ("harm", "sure") for row in about_harm)
    assert all(row["rater"].startswith("rater-") for row in others)


def test_helpful_responses_and_prompts_are_of_the_kinds_they_should_be(constitution, tmp_path):
    recipe = Recipe.model_validate({"pipeline": "cai", "cai": {"constitution": str(constitution), "chains": 30}})
    run = Run.open(tmp_path / "run", recipe.model_dump(mode="json"), quiet=True)
    material = open_material(recipe, run)
    assert {example.kind for example in material.helpful} == set(BENIGN_KINDS)
    assert {example.kind for example in material.chained} == set(HARM_KINDS)
    assert {understand(prompt_text(prompt)).kind for prompt in material.benign} == set(BENIGN_KINDS)
    assert set(judged_prompts(recipe)) == {example.prompt for example in material.chained}


def test_every_ruling_is_kept_with_its_principle(folder):
    rulings = [row for file in (stage(folder, "feedback") / "rulings").glob("*.jsonl") for row in read_jsonl(file)]
    labels = read_jsonl(stage(folder, "feedback") / "preferences.jsonl")
    said = {json.dumps([row["prompt"], row["first"], row["second"]]): row for row in rulings}
    for row in labels:
        if kind(row) in HARM_KINDS:
            ruling = said[json.dumps([row["prompt"], row["first"], row["second"]])]
            believed = (ruling["forward"] + ruling["backward"]) / 2
            assert ruling["p_first"] == row["p_first"] == float(believed > 0.5)  # the recipe's labels are hard
            assert (ruling["principle"], ruling["by"]) == (row["meta"]["principle"], "log-probabilities")


def test_every_critique_and_revision_is_kept_with_its_principle(folder):
    chains = read_jsonl(stage(folder, "critiques") / "chains.jsonl")
    assert len(chains) == 60
    for chain in chains:
        assert len(chain["rounds"]) == (2 if chain["response"].strip() else 0)
        assert all(set(one) == {"principle", "critique", "revision", "marks"} for one in chain["rounds"])
    counted = read_json(stage(folder, "critiques") / "summary.json")
    assert counted["chains"] == 60
    assert counted["rounds"] == sum(len(chain["rounds"]) for chain in chains)


def test_the_judge_is_measured_against_gold(folder):
    rows = {(row["metric"], row["slice"]): row for row in read_json(folder / "evals.json") if row["model"] == "judge"}
    assert {("judge_accuracy", None), ("judge_position_bias", None), ("judge_brier", None)} <= rows.keys()
    assert rows["judge_accuracy", None]["low"] < rows["judge_accuracy", None]["high"]
    assert {cut for metric, cut in rows if metric == "judge_accuracy"} >= {None, "harmlessness", "honesty"}


def test_the_report_shows_chains_principles_and_rates(folder):
    found = read_report(folder).constitution
    assert found is not None
    assert {acted.id for acted in found.principles} == {"harm", "sure"}
    assert sum(acted.drawn for acted in found.principles) == found.acted
    assert {(one.rate, one.rounds) for one in found.rates} == {
        (rate, rounds) for rate in ("harmless", "helpful", "evasive", "withheld") for rounds in (0, 1, 2)
    }
    assert {one.kind for one in found.shown if not one.worse} == set(HARM_KINDS)
    assert all(len(one.steps) in (1, 3) and one.steps[0].gold is not None for one in found.shown)
    html = render(read_report(folder))
    assert 'id="constitution"' in html
    assert "First response" in html


def test_taken_up_again_it_asks_for_nothing_twice_and_ends_where_it_did(folder, constitution, tmp_path):
    again = tmp_path / "run"
    shutil.copytree(folder, again)
    state = read_json(again / "run.json")
    killed = ("critiques", "feedback")
    for entry in state["stages"]:
        if entry["name"][3:] in killed:
            entry["status"] = "failed"
    (again / "run.json").write_text(json.dumps(state | {"status": "failed"}))
    kept = {path: path.stat().st_mtime_ns for path in again.glob("stages/*/*/*.jsonl") if path.parent.name != "probes"}
    assert {path.parent.name for path in kept} >= {"chains", "heldout", "rulings", "responses"}
    main(command(constitution, again))
    assert read_json(again / "run.json")["status"] == "done"
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert read_json(again / "constitution.json") == read_json(folder / "constitution.json")


@pytest.mark.parametrize("missing", ["revision", "comparison"])
def test_a_constitution_that_can_t_serve_both_stages_is_refused_before_anything_is_asked(tmp_path, missing, gyro):
    content = {
        "revision": ["Which response is better? Options:"],
        "comparison": {"harmful0": {"prompt": ["CritiqueRequest: find"], "edit_request": "RevisionRequest: mend"}},
    }
    path = tmp_path / "constitution.json"
    path.write_text(json.dumps(content[missing]))
    code, _, err = gyro(*command(path, tmp_path / "run"))
    assert code == 2
    assert "has no principle with a" in err
    assert not (tmp_path / "run" / "stages").exists()


def test_a_constitution_without_chains_to_learn_from_is_an_error_that_says_where_to_look(tmp_path):
    from gyrocompass.feedback.revision import Chain
    from gyrocompass.pipelines.critiques import to_learn_from
    from gyrocompass.records import user

    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    with pytest.raises(InputError, match=r"chains\.jsonl: no chain has a revision"):
        to_learn_from(run, [Chain(user("q"), "a")], [])


def test_a_constitution_that_changed_is_refused_and_one_that_was_only_laid_out_anew_is_not(constitution, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(constitution.read_text())
    recipe = Recipe.model_validate({"pipeline": "cai", "cai": {"constitution": str(path), "chains": 3}})
    run = Run.open(tmp_path / "run", recipe.model_dump(mode="json"), quiet=True)
    open_material(recipe, run)
    path.write_text(f"# a comment\n{constitution.read_text()}")
    open_material(recipe, run)
    path.write_text(constitution.read_text().replace("is it rude", "is it not"))
    with pytest.raises(InputError, match="changed since this run began"):
        open_material(recipe, run)


RULES = (
    "propositions:\n  - id: rude\n    question: Is it rude?\n    weight: -2\n  - id: kind\n    question: Is it kind?\n"
)


def test_rules_that_changed_are_refused_and_those_only_laid_out_anew_are_not(constitution, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    cai = {"constitution": str(constitution), "rules": str(path), "chains": 3}
    recipe = Recipe.model_validate({"pipeline": "cai", "cai": cai})
    run = Run.open(tmp_path / "run", recipe.model_dump(mode="json"), quiet=True)
    open_material(recipe, run)
    assert run.state["rules"]["name"] == "rules"
    path.write_text(f"# a comment\n{RULES}".replace("-2", "-2.0"))
    open_material(recipe, run)
    path.write_text(RULES.replace("-2", "-1"))
    with pytest.raises(InputError, match=r"rules\.yaml: changed since this run began"):
        open_material(recipe, run)


def test_broken_rules_are_refused_before_anything_is_asked(constitution, tmp_path, gyro):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("id: kind", "id: rude"))
    code, _, err = gyro(*command(constitution, tmp_path / "run"), "--set", f"cai.rules={path}")
    assert code == 2
    assert "rules.yaml:1: two propositions have the id 'rude'" in err
    assert not (tmp_path / "run" / "stages").exists()
