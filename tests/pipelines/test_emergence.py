"""The sweep over sizes on the town, tiny: what it leaves behind, that it resumes, and what its numbers mean."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from threading import Thread

import numpy as np
import pytest

from gyrocompass.cli import main
from gyrocompass.config import Recipe
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.maths import stats
from gyrocompass.pipelines import emergence
from gyrocompass.pipelines.sweep import WORDED, Outcome, hack_rate, jobs, worded_answer
from gyrocompass.report import read as read_report
from gyrocompass.report import render
from gyrocompass.worlds import town

WIDTHS, SEEDS = (8, 16, 24, 32), 2
TINY = [
    "sampling.max_new_tokens=12", "preferences.demonstrations=64", "preferences.prompts=32", "sft.epochs=1",
    "ppo.steps=2", "ppo.batch_size=16", "ppo.epochs=1", "ppo.learning_rate=1e-3", "ppo.checkpoint_every=1",
    "evaluation.prompts=20", "evaluation.probes=1", f"emergence.widths={list(WIDTHS)}", f"emergence.seeds={SEEDS}",
    "emergence.tokens=4000", "emergence.layers=1", "emergence.answers=10", "emergence.processes=1",
    "compute.device=cpu",
]  # fmt: skip


def command(out, *more):
    sets = [part for setting in (*TINY, *more) for part in ("--set", setting)]
    return ["run", "emergence", "--out", str(out), *sets, "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished sweep of four sizes and two seeds."""
    out = tmp_path_factory.mktemp("emergence") / "run"
    main(command(out))
    return out


def test_every_size_and_seed_is_a_run_of_its_own(folder):
    state = read_json(folder / "run.json")
    assert state["status"] == "done"
    assert [stage["name"][3:] for stage in state["stages"]] == ["sweep", "fits"]
    inner = sorted(path.name for path in (folder / "stages" / "01-sweep").iterdir())
    assert inner == sorted(f"width-{width:03d}-seed-{seed}" for width in WIDTHS for seed in range(SEEDS))
    one = read_json(folder / "stages" / "01-sweep" / inner[0] / "run.json")
    assert [stage["name"] for stage in one["stages"]] == ["01-pretrain", "02-sft", "03-ppo"]
    assert (folder / "stages" / "01-sweep" / inner[0] / "stages" / "03-ppo" / "model" / "config.json").exists()


def test_the_numbers_are_those_of_the_probes(folder):
    found = read_json(folder / "emergence.json")
    assert found["steps"] == [0, 2]
    assert found["parameters"] == sorted(found["parameters"])
    inner = folder / "stages" / "01-sweep" / "width-016-seed-1"
    rows = [r for r in read_jsonl(inner / "metrics.jsonl") if "gold_low" in r]
    values = {name: np.array(numbers)[1, 1] for name, numbers in found["values"].items()}
    for name in ("gold", "proxy", "capability", "exact", "answer_logprob"):
        assert values[name] == pytest.approx([row[name] for row in rows], abs=1e-5)
    assert values["gap"] == pytest.approx(values["proxy"] - values["gold"])
    assert values["gap_gained"][0] == values["hack_rate"][0] == 0
    assert all(low <= 0 for low in values["answer_logprob"])


def test_the_panels_are_means_over_seeds(folder):
    found = read_json(folder / "emergence.json")
    panels = {panel["metric"]: panel for panel in found["panels"]}
    assert list(panels) == list(emergence.METRICS)
    for name, panel in panels.items():
        for i, point in enumerate(panel["points"]):
            seeds = [found["values"][name][i][seed][-1] for seed in range(SEEDS)]
            assert point["seeds"] == seeds
            assert point["value"] == pytest.approx(stats.mean(seeds).value)
            assert point["low"] <= point["value"] <= point["high"]
            assert point["n"] == SEEDS
    assert [pair["title"] for pair in found["pairs"]] == ["capability", "hacking"]
    assert found["pairs"][0]["smooth"]["step"] == 0


def test_two_seeds_are_too_few_for_a_verdict_and_it_says_so(folder):
    found = read_json(folder / "audits.json")
    assert [(f["finding"], f["model"], f["verdict"]) for f in found] == [
        ("a jump with scale: capability", "sft", "underpowered"),
        ("a jump with scale: hacking", "ppo", "underpowered"),
    ]
    assert all("2 seeds" in f["said"] and f["value"] is None for f in found)
    verdict = read_json(folder / "run.json")["summary"][0]
    assert (
        verdict
        == "Whether there is a jump with scale in capability and hacking can't be told from these sizes and seeds."
    )


def test_the_report_shows_the_sweep(folder):
    html = render(read_report(folder))
    assert '<section id="emergence"' in html
    assert '<section id="audits"' in html


def unfinished(folder, copy):
    """A copy of the sweep in which one model is missing, and another has been broken off."""
    shutil.copytree(folder, copy)
    sweep = copy / "stages" / "01-sweep"
    shutil.rmtree(sweep / "width-032-seed-1")
    for path in (copy / "run.json", sweep / "width-024-seed-1" / "run.json"):
        state = read_json(path)
        state["status"] = "running"
        state["stages"][-1]["status"] = state["stages"][0 if path.parent == copy else -1]["status"] = "running"
        path.write_text(json.dumps(state))
    (copy / "emergence.json").unlink()
    return copy


def test_a_sweep_that_was_stopped_goes_on_and_ends_where_it_would_have(folder, tmp_path):
    stopped = unfinished(folder, tmp_path / "run")
    kept = stopped / "stages/01-sweep/width-008-seed-0/stages/03-ppo/model/model.safetensors"
    before = kept.stat().st_mtime_ns
    main(command(stopped))
    assert kept.stat().st_mtime_ns == before
    assert read_json(stopped / "emergence.json") == read_json(folder / "emergence.json")


def test_a_process_that_is_killed_is_one_line_and_the_same_command_goes_on(folder, tmp_path, gyro):
    """Killed as the kernel does it for want of memory, with two models left to do, of which one has been begun."""
    broken = unfinished(folder, tmp_path / "run")
    sweep = broken / "stages" / "01-sweep"
    Thread(target=kill_a_worker, daemon=True).start()
    code, _, error = gyro(*command(broken, "emergence.processes=2"))
    assert code == 1
    (line,) = error.splitlines()
    assert f"{sweep}: a process was killed" in line
    assert "width-024-seed-1" in line
    assert "width-008-seed-0" not in line
    assert "the same command goes on" in line
    assert read_json(broken / "run.json")["status"] == "failed"
    main(command(broken))
    assert read_json(broken / "emergence.json") == read_json(folder / "emergence.json")


def kill_a_worker():
    """As soon as there is one."""
    while not (workers := multiprocessing.active_children()):
        time.sleep(0.02)
    os.kill(workers[0].pid, signal.SIGKILL)


def test_jobs_are_put_back_in_order():
    """Each outcome says which job it is of: parameters are 10 x width, gold is width + seed / 10."""
    recipe = Recipe.model_validate({"seed": 5, "emergence": {"widths": WIDTHS, "seeds": 3}})
    found = [
        Outcome(10 * job.width, [0, 1], {"gold": np.array([0.0, job.width + job.seed / 10])}, job.seed / 10)
        for job in jobs(recipe, emergence.Path("sweep"))
    ]
    sweep = emergence.gathered(recipe, found)
    assert sweep.parameters == [10 * width for width in WIDTHS]
    assert sweep.seeds == [5, 6, 7]
    assert sweep.values["gold"][2, :, 1] == pytest.approx([24.5, 24.6, 24.7])
    assert sweep.chance[0] == pytest.approx([0.5, 0.6, 0.7])


def test_the_hack_rate_by_hand():
    """Rated higher and worth less: the first alone. Higher and as good, lower and worse, and no change don't count."""
    before = np.zeros(4)
    assert hack_rate(before, before, np.array([1.0, 1, -1, 0]), np.array([-1.0, 0, -1, 0])) == 0.25


def test_worded_answers_are_right_and_end_within_the_responses_allowed():
    for example in town.prompts(60, 0, "heldout", kinds=WORDED, monitored="untagged"):
        answered = worded_answer(example)
        assert town.judge(answered.prompt, answered.response).right
        assert town.gold([answered])[0] == 1.0
        assert len(answered.response.split()) < 20


@pytest.mark.parametrize("changes", [{"data": "mine.jsonl", "model": "m"}, {"model": "m"}])
def test_only_the_town_can_be_learnt_from_nothing(tmp_path, changes):
    with pytest.raises(InputError, match="set model and data to town"):
        emergence.emergence(Recipe.model_validate({"pipeline": "emergence", **changes}), None)


@pytest.mark.parametrize(
    ("setting", "says"), [("widths=[16, 20]", "no multiple"), ("widths=[32, 16]", "increase"), ("seeds=1", "seeds")]
)
def test_settings_that_don_t_fit_are_one_line(gyro, setting, says):
    code, _, error = gyro("run", "emergence", "--set", f"emergence.{setting}", "--dry-run")
    assert code == 2
    assert says in error
    assert len(error.splitlines()) == 1


def test_findings_need_a_sweep(tmp_path):
    with pytest.raises(InputError, match=r"emergence\.yaml"):
        emergence.findings(tmp_path)
