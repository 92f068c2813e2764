"""The whole road on the town, small: what it leaves behind, and that a kill doesn't change where it ends."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gyrocompass.files import read_jsonl


def read(folder, name):
    return json.loads((folder / name).read_text())


def test_the_run_folder_is_whole(town_run):
    folder, closing = town_run
    state = read(folder, "run.json")
    assert closing["status"] == state["status"] == "done"
    assert [s["name"] for s in state["stages"]] == [
        "01-sft", "02-preferences", "03-reward", "04-ppo", "05-evaluation", "06-eval",
    ]  # fmt: skip
    assert state["summary"]
    assert state["gold_name"]
    assert (folder / "report.html").stat().st_size > 10_000
    assert not list(folder.glob("stages/*/checkpoint"))


@pytest.mark.parametrize("metric", ["gold", "proxy", "rater_utility"])
def test_every_model_is_measured_with_interval_and_n(town_run, metric):
    rows = read(town_run[0], "evals.json")
    for model in ("base", "sft", "ppo"):
        whole = [r for r in rows if (r["model"], r["metric"], r["slice"]) == (model, metric, None)]
        assert len(whole) == 1
        assert whole[0]["low"] < whole[0]["value"] < whole[0]["high"]
        assert whole[0]["n"] == 60
        assert {r["slice"] for r in rows if r["model"] == model} >= {"fact", "harmful", "unknowable"}


def test_probes_and_best_of_n_are_rows_of_metrics(town_run):
    rows = read_jsonl(town_run[0] / "metrics.jsonl")
    probes = [r for r in rows if r["stage"] == "ppo" and "proxy_low" in r and "probe" not in r]
    assert [r["step"] for r in probes] == [0, 1, 4]
    assert probes[0]["kl_nats"] == 0
    assert [r["step"] for r in rows if r["stage"] == "best-of-n"] == [1, 2, 4]
    for row in probes:
        assert row["gold_low"] <= row["gold"] <= row["gold_high"]
        assert row["n"] == 60


@pytest.mark.parametrize("stage", ["01-sft", "04-ppo"])
def test_a_stage_s_model_loads_with_transformers_and_generates(town_run, stage):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = town_run[0] / "stages" / stage / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "what is two plus two"}], add_generation_prompt=True, return_tensors="pt"
    )
    out = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    assert out.shape[1] > prompt["input_ids"].shape[1]
    assert (folder / "README.md").exists()
    assert (folder / "chat_template.jinja").exists()


def test_labels_disagree_as_real_raters_do_and_keep_their_rater(town_run):
    rows = read_jsonl(town_run[0] / "stages" / "02-preferences" / "preferences.jsonl")
    assert len(rows) > 100
    assert all(row["rater"].startswith("rater-") for row in rows)


def test_a_finished_run_is_not_run_again(town_run, command):
    before = (town_run[0] / "metrics.jsonl").read_bytes()
    done = subprocess.run(command(town_run[0]), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "done"
    assert (town_run[0] / "metrics.jsonl").read_bytes() == before


def test_killed_in_the_middle_of_ppo_and_resumed_it_ends_where_it_would_have(town_run, command, tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = Path("checkpoint/state.json")
    deadline = time.monotonic() + 120
    while not list(folder.glob(f"stages/*-ppo/{checkpoint}")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command(folder), capture_output=True, check=True)
    for stage in ("01-sft", "03-reward", "04-ppo"):
        expected, found = (
            load_file(f / "stages" / stage / "model" / "model.safetensors") for f in (town_run[0], folder)
        )
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert read(folder, "evals.json") == read(town_run[0], "evals.json")

    def timeless(f):
        return [{k: v for k, v in row.items() if k != "seconds"} for row in read_jsonl(f / "metrics.jsonl")]

    assert timeless(folder) == timeless(town_run[0])
