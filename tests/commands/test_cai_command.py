"""`gyro cai` on a model of one's own, and what it says before it begins."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gyrocompass.cli import main
from gyrocompass.files import read_json, read_jsonl

CONSTITUTION = """
name: own
template: "{conversation} A: {first} B: {second} {question}"
answers: [A, B]
principles:
  - {id: kind, critique: "Unkind?", revision: Be kind., comparison: "Which is kinder?"}
"""
SMALL = ["--max-new-tokens", 8, "--precision", "fp32", "--device", "cpu", "--chains", 10, "--json"]
SETTINGS = ["ppo.steps=1", "ppo.batch_size=8", "ppo.minibatches=1", "evaluation.prompts=8", "evaluation.probes=1",
            "sft.batch_size=8", "reward.batch_size=8", "dpo.batch_size=8"]  # fmt: skip


def rows(path, *items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Prompts, helpful responses, preferences on helpfulness, and a constitution."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "own.yaml").write_text(CONSTITUTION)
    rows(folder / "prompts.jsonl", *({"prompt": f"Do harm {i}"} for i in range(24)))
    rows(folder / "helpful.jsonl", *({"prompt": f"Help {i}", "completion": f"Gladly {i}"} for i in range(8)))
    rows(
        folder / "preferences.jsonl",
        *({"prompt": f"Say {i}", "chosen": f"Yes {i}", "rejected": "No"} for i in range(16)),
    )
    return folder


def command(checkpoint, files, *more):
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    named = {"model": checkpoint("llama"), "constitution": files / "own.yaml", "prompts": files / "prompts.jsonl",
             "helpful": files / "helpful.jsonl"}  # fmt: skip
    flags = [part for name, value in named.items() for part in (f"--{name}", value)]
    return [str(part) for part in ("cai", *flags, *SMALL, *sets, *more)]


@pytest.fixture(scope="module")
def finished(checkpoint, files, tmp_path_factory):
    """A run that learns by PPO, people's preferences beside the judge's."""
    out = tmp_path_factory.mktemp("cai") / "run"
    main(command(checkpoint, files, "--preferences", files / "preferences.jsonl", "--out", out))
    return out


def test_it_leaves_a_model_of_each_stage_and_says_what_it_rests_on(finished):
    state = read_json(finished / "run.json")
    assert state["status"] == "done"
    assert [s["name"][3:] for s in state["stages"]] == [
        "critiques", "sl-cai", "feedback", "judge", "cai-reward", "rl-cai", "evaluation",
    ]  # fmt: skip
    assert state["config"]["stage"] == "cai"
    assert len(state["data"]) == 3
    assert state["gold_name"] is None
    models = {row["model"] for row in read_json(finished / "evals.json") if row["metric"] == "proxy"}
    assert models == {"base", "sl-cai", "rl-cai"}
    assert (finished / "report.html").exists()


def test_held_out_prompts_are_neither_revised_nor_judged(finished):
    def prompts(pattern):
        return {row["prompt"][0]["content"] for file in finished.glob(pattern) for row in read_jsonl(file)}

    chained = prompts("stages/*-critiques/chains.jsonl")
    asked = {row["prompt"] for file in finished.glob("stages/*/samples.jsonl") for row in read_jsonl(file)}
    assert len(chained) == 10
    assert len(asked) == 4
    assert not asked & chained
    assert prompts("stages/*-feedback/preferences.jsonl") <= chained


def test_by_dpo_and_with_the_model_s_word_on_helpfulness(checkpoint, files, tmp_path):
    out = tmp_path / "run"
    main(command(checkpoint, files, "--learn", "dpo", "--helpfulness", "model", "--judge", "sl-cai", "--labels", "soft",
                 "--no-critiques", "--out", out))  # fmt: skip
    labels = read_jsonl(next(out.glob("stages/*-feedback/preferences.jsonl")))
    assert any(row["prompt"][0]["content"].startswith("Help") for row in labels)
    assert all(0 < row["p_first"] < 1 for row in labels)
    assert next(out.glob("stages/*-rl-cai/model/model.safetensors"))
    chains = read_jsonl(next(out.glob("stages/*-critiques/chains.jsonl")))
    assert {one["critique"] for chain in chains for one in chain["rounds"]} == {""}


def test_a_dry_run_prints_settings_and_what_an_endpoint_would_be_asked_at_most(checkpoint, files, gyro):
    code, out, _ = gyro(*command(checkpoint, files, "--dry-run", "--judge", "http://127.0.0.1:9/v1#m", "--votes", 2,
                                 "--price-out", 1000))  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert told["cai"]["votes"] == 2
    assert told["ppo"]["steps"] == 1
    assert told["access"]["price_out"] == 1000
    assert told["judge_at_most"]["requests"] == (10 + 10 + 10) * 2 * 2  # pairs, and twice more to measure the judge
    assert told["judge_at_most"]["cost"] == pytest.approx(120 * 8 / 1000)


def test_a_dry_run_with_a_local_judge_is_the_settings_alone(checkpoint, files, gyro):
    code, out, _ = gyro(*(part for part in command(checkpoint, files, "--dry-run") if part != "--json"))
    assert code == 0
    told = yaml.safe_load(out)
    assert told["pipeline"] == "cai"
    assert "judge_at_most" not in told


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--constitution", "nowhere.yaml"], "no such constitution"),
        (["--constitution", "town"], "no such constitution|speaks the town's language"),
        (["--rounds", 9], "cai.rounds"),
        (["--set", "ppo.stepz=1"], r"nearest one is 'ppo\.steps'"),
    ],
)
def test_what_can_t_be_used_is_one_line(checkpoint, files, gyro, tmp_path, more, says):
    code, _, err = gyro(*command(checkpoint, files, "--out", tmp_path / "run", *more))
    assert code == 2
    assert re.search(says, err)
    assert len(err.strip().splitlines()) == 1


SERVER = Path(__file__).parents[1] / "models" / "mortal_server.py"
WITHOUT_END = 10**6


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listening(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def judge_served(port, log, limit=WITHOUT_END):
    """The name of a judge behind a server of its own, which dies once it has given so many answers."""
    with subprocess.Popen([sys.executable, str(SERVER), str(port), str(log), str(limit)]) as process:
        try:
            end = time.monotonic() + 60
            while not listening(port):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/v1#toy"
        finally:
            process.terminate()


def labels_of(out):
    return read_jsonl(next(out.glob("stages/*-feedback/preferences.jsonl")))


PATIENT = ["--votes", 2, "--concurrency", 1, "--retries", 1, "--backoff-seconds", 0.01, "--learn", "dpo"]


@pytest.fixture(scope="module")
def undisturbed(checkpoint, files, tmp_path_factory):
    """A port, the command that has a server there judge, and the folder and requests of a run in which that lived."""
    folder, port = tmp_path_factory.mktemp("undisturbed"), free_port()
    with judge_served(port, folder / "log") as judge:
        line = [*command(checkpoint, files, *PATIENT, "--judge", judge), "--out"]
        main([*line, str(folder / "run")])
    return port, line, folder / "run", (folder / "log").read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.2, 0.6], ids=["in labelling", "while the judge is measured"])
def test_after_the_judge_s_server_died_nothing_is_asked_twice_and_nothing_is_lost(
    undisturbed, gyro, tmp_path, fraction
):
    port, line, whole, asked = undisturbed
    out, first, second = (tmp_path / name for name in ("run", "first", "second"))
    limit = round(fraction * len(asked))
    with judge_served(port, first, limit):
        code, _, err = gyro(*line, out)
    assert code == 2
    assert "are kept, and the same command goes on from there" in err
    assert len(err.splitlines()) == 1
    assert len(first.read_text().splitlines()) == limit
    with judge_served(port, second):
        assert gyro(*line, out)[0] == 0
    again = first.read_text().splitlines() + second.read_text().splitlines()
    assert len(again) == len(set(again))
    assert sorted(again) == sorted(asked)
    assert labels_of(out) == labels_of(whole)
    assert read_json(out / "evals.json") == read_json(whole / "evals.json")
