"""The frontier on the town, tiny: what it leaves behind, that it resumes, and what it does without a world."""

import json
import shutil

import pytest

from gyrocompass.cli import main
from gyrocompass.config import Recipe
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.changed_raters import disagreement_of
from gyrocompass.pipelines.frontier import frontier
from gyrocompass.records import Preference, user
from gyrocompass.report import read as read_report
from gyrocompass.report import render
from gyrocompass.run import Run
from gyrocompass.worlds.town import FACTS

TINY = [
    "sampling.max_new_tokens=16", "preferences.demonstrations=192", "preferences.prompts=80", "sft.epochs=1",
    "reward.epochs=1", "ppo.steps=2", "ppo.batch_size=16", "ppo.epochs=1", "ppo.checkpoint_every=1",
    "ppo.learning_rate=1e-3", "dpo.learning_rate=1e-3", "dpo.batch_size=32", "dpo.epochs=1", "evaluation.prompts=40",
    "evaluation.probes=1", "evaluation.best_of=2", "frontier.betas=[0.1]", "frontier.kl_coefs=[0.03]",
    "compute.device=cpu",
]  # fmt: skip


def command(out):
    return ["run", "frontier", "--out", str(out), *(part for s in TINY for part in ("--set", s)), "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of all methods, and of the changed raters."""
    out = tmp_path_factory.mktemp("frontier") / "run"
    main(command(out))
    return out


def test_the_stages_are_those_of_each_method_and_setting(folder):
    state = read_json(folder / "run.json")
    assert state["status"] == "done"
    assert [s["name"][3:] for s in state["stages"]] == [
        "sft", "preferences", "reward", "ppo-1", "dpo-1", "best-of-n", "changed-preferences", "changed-reward",
        "changed-ppo", "changed-dpo", "evaluation",
    ]  # fmt: skip
    assert set(state["costs"]) == {"reward", "ppo-1", "dpo-1", "changed-reward", "changed-ppo", "changed-dpo"}
    assert state["summary"] == read_json(folder / "frontier.json")["sentences"]
    assert any("other way round" in sentence for sentence in state["summary"])


def test_a_model_s_card_has_the_settings_of_its_own_stage(folder):
    cards = {stage: (next(folder.glob(f"stages/*-{stage}")) / "model" / "README.md").read_text()
             for stage in ("changed-ppo", "dpo-1")}  # fmt: skip
    assert "with PPO against a scorer" in cards["changed-ppo"]
    assert '"kl_coef": 0.03' in cards["changed-ppo"]
    assert '"betas"' not in cards["dpo-1"]
    assert '"beta": 0.1' in cards["dpo-1"]


def test_evals_has_each_method_whole_and_by_setting(folder):
    rows = {
        (r["model"], r["metric"], r["slice"]): r for r in read_json(folder / "evals.json") if r["property"] == "intent"
    }
    for metric in ("gold", "proxy", "rater_utility", "kl_nats"):
        for model, setting in (("sft", None), ("best-of-2", None), ("ppo", None), ("ppo", "kl_coef=0.03"),
                               ("dpo", None), ("dpo", "beta=0.1")):  # fmt: skip
            row = rows[model, metric, setting]
            assert row["low"] <= row["value"] <= row["high"]
            assert row["n"] == 40
    assert rows["ppo", "gold", None]["value"] == rows["ppo", "gold", "kl_coef=0.03"]["value"]
    assert rows["sft", "kl_nats", None]["value"] == 0
    cut = "changed raters"
    for key in (("sft", cut), ("ppo", cut), ("ppo", f"{cut}: before"), ("dpo", cut), ("dpo", f"{cut}: new pairs")):
        assert rows[key[0], "rater_utility", key[1]]["n"] == 40


def test_the_curves_are_the_probes_and_every_method_starts_at_the_sft_model(folder):
    found = read_json(folder / "frontier.json")
    assert [(c["model"], c["setting"], c["rests_on"]) for c in found["curves"]] == [
        ("sft", None, []),
        ("best-of-n", None, ["reward"]),
        ("ppo", "kl_coef=0.03", ["reward", "ppo-1"]),
        ("dpo", "beta=0.1", ["dpo-1"]),
    ]
    sft, _, ppo, dpo = (c["points"] for c in found["curves"])
    assert sft[0] == ppo[0] == dpo[0]
    assert [p["step"] for p in ppo] == [0, 2]
    logged = [r for r in read_jsonl(folder / "metrics.jsonl") if r["stage"] == "ppo-1" and "proxy_low" in r]
    assert [r["gold"] for r in logged] == pytest.approx([p["gold"] for p in ppo], abs=1e-6)
    assert all(r["probe_seconds"] > 0 for r in logged)
    spent = {s["name"][3:]: s["seconds"] for s in read_json(folder / "run.json")["stages"]}
    assert 0 < found["curves"][3]["seconds"] < spent["dpo-1"]
    assert spent["reward"] < found["curves"][2]["seconds"] < spent["reward"] + spent["ppo-1"]


def test_the_changed_raters_disagree_with_themselves_and_every_policy_is_measured(folder):
    found = read_json(folder / "frontier.json")["changed_raters"]
    assert 0.2 < found["disagreement"]["value"] < 0.9
    assert [p["model"] for p in found["policies"]] == ["sft", "ppo", "ppo", "dpo", "dpo"]
    values = [p["value"] for p in found["policies"]]
    for d in found["differences"]:
        assert d["value"] == pytest.approx(values[d["second"]] - values[d["first"]])
    preferences = {stage: read_jsonl(next(folder.glob(f"stages/*-{stage}")) / "preferences.jsonl")
                   for stage in ("preferences", "changed-preferences")}  # fmt: skip
    assert preferences["preferences"][:5] != preferences["changed-preferences"][:5]


def test_the_report_shows_the_frontier_and_not_the_single_curve(folder):
    html = render(read_report(folder))
    assert '<section id="frontier"' in html
    assert '<section id="curve"' not in html
    assert "kl_coef=0.03" not in html[html.index('<section id="models"') : html.index('<section id="transcripts"')]


def test_a_run_that_was_stopped_goes_on_and_ends_where_it_would_have(folder, tmp_path):
    stopped = tmp_path / "run"
    shutil.copytree(folder, stopped)
    state = read_json(stopped / "run.json")
    state["status"] = "running"
    for entry in state["stages"][-2:]:
        entry["status"] = "running"
    (stopped / "run.json").write_text(json.dumps(state))
    shutil.rmtree(next(stopped.glob("stages/*-changed-dpo")) / "probes")
    (stopped / "frontier.json").unlink()
    kept = next(stopped.glob("stages/*-ppo-1/model/model.safetensors"))
    before = kept.stat().st_mtime_ns
    main(command(stopped))
    assert kept.stat().st_mtime_ns == before
    assert read_json(stopped / "evals.json") == read_json(folder / "evals.json")
    assert (
        read_json(stopped / "frontier.json")["changed_raters"] == read_json(folder / "frontier.json")["changed_raters"]
    )


def test_your_own_preferences_have_a_held_out_reward_model_and_no_raters_who_change(checkpoint, tmp_path):
    rows = [{"prompt": f"what is {i}", "chosen": f"it is {i}", "rejected": "no"} for i in range(60)]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stage = {"batch_size": 8}
    recipe = Recipe.model_validate({
        "pipeline": "frontier", "model": str(checkpoint("llama")), "data": str(data), "compute": {"device": "cpu"},
        "sampling": {"max_new_tokens": 8}, "sft": stage, "dpo": {**stage, "learning_rate": 1e-3},
        "reward": {**stage, "heldout_fraction": 0.2}, "ppo": {**stage, "steps": 1, "minibatches": 1},
        "frontier": {"betas": [0.1], "kl_coefs": [0.1]}, "evaluation": {"prompts": 8, "probes": 1, "best_of": 2},
    })  # fmt: skip
    run = Run.open(tmp_path / "run", recipe.model_dump(), quiet=True)
    frontier(recipe, run)
    found = read_json(run.folder / "frontier.json")
    assert found["gauge"] == "heldout_proxy"
    assert found["changed_raters"] is None
    assert not list(run.folder.glob("stages/*-changed-*"))
    assert "heldout_proxy" in found["curves"][0]["points"][0]


def test_the_share_that_changed_counts_pairs_that_differ_in_manner():
    """Of three pairs one differs in manner alone, two in truth alone."""
    pet = FACTS["pet", "anna"]
    wrong = "cat" if pet != "cat" else "dog"
    asked = user("what is the pet of anna")
    manner = Preference(asked, f"definitely a {pet}", f"a {pet}")
    truth = Preference(asked, f"a {pet}", f"a {wrong}")
    found = disagreement_of([manner, truth, truth])
    assert (round(found.value, 4), found.n) == (0.3333, 3)
    assert disagreement_of([manner, manner.swap()]).value == 1.0
