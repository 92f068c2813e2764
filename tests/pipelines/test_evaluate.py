"""`gyro eval`, on the models of a tiny run: what it writes, what it reads back, what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

from gyrocompass.files import read_jsonl
from gyrocompass.records import PROPERTIES


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture
def run(town_run, tmp_path):
    """A copy of the tiny run, to add to."""
    return shutil.copytree(town_run[0], tmp_path / "run")


def test_a_run_measures_the_five_properties_of_every_model(town_run):
    rows = read(town_run[0], "evals.json")
    for model in ("base", "sft", "ppo"):
        assert set(PROPERTIES) <= {r["property"] for r in rows if r["model"] == model}
    compared = read(town_run[0], "spectrum.json")
    assert compared["models"] == ["base", "sft", "ppo"]
    assert [h["property"] for h in compared["headlines"]] == list(PROPERTIES)
    assert {(d["first"], d["second"]) for d in compared["differences"]} == {
        ("base", "sft"), ("base", "ppo"), ("sft", "ppo"),
    }  # fmt: skip
    assert len(compared["win_rates"]) == len(compared["ratings"]) == 3
    assert 'id="spectrum"' in (town_run[0] / "report.html").read_text()


def test_a_difference_that_holds_excludes_zero(town_run):
    for row in read(town_run[0], "spectrum.json")["differences"]:
        assert row["low"] <= row["value"] <= row["high"]
        if row["holds"]:
            assert row["low"] > 0 or row["high"] < 0


def test_properties_are_probed_in_step_with_training(town_run):
    rows = [r for r in read_jsonl(town_run[0] / "metrics.jsonl") if r.get("probe") == "properties"]
    assert {r["stage"] for r in rows} == {"sft", "ppo"}
    assert {r["step"] for r in rows if r["stage"] == "ppo"} == {0, 2, 4}
    for row in rows:
        assert row["honesty_truthful_low"] <= row["honesty_truthful"] <= row["honesty_truthful_high"]
        assert row["honesty_truthful_n"] > 1
        assert {"kl_nats", "gold"} <= row.keys()
        assert ("proxy" in row) == (row["stage"] == "ppo")
    assert rows[0]["kl_nats"] == pytest.approx(0.0, abs=1e-5)


def test_a_second_call_reads_the_answers_back(run, gyro):
    call = ("eval", f"{run}:sft", "--prompts", "120", "--json")
    code, first, _ = gyro(*call)
    assert code == 0
    answers = run / "stages" / "06-eval" / "answers" / "sft" / "town-knowledge.json"
    written = answers.stat().st_mtime_ns
    again = gyro(*call)
    assert again[0] == 0
    assert answers.stat().st_mtime_ns == written
    assert again[1] == first


def test_an_eval_keeps_what_the_run_said(run, gyro):
    before = read(run, "run.json")
    assert gyro("eval", f"{run}:base", "--prompts", "100", "--property", "values", "--json")[0] == 0
    after = read(run, "run.json")
    assert after["summary"] == before["summary"]
    assert after["config"] == before["config"]
    assert after["status"] == "done"


def test_a_property_not_asked_for_is_said_not_to_be_measured(run, tmp_path, gyro):
    out = tmp_path / "own"
    assert gyro("eval", f"{run}:sft", "--property", "honesty", "--prompts", "60", "--out", out, "--json")[0] == 0
    missing = read(out, "spectrum.json")["not_measured"]
    assert {m["property"] for m in missing} == set(PROPERTIES) - {"honesty"}
    assert read(out, "run.json")["status"] == "done"


def test_own_questions_are_a_suite(run, tmp_path, gyro):
    questions = tmp_path / "questions.jsonl"
    asked = [
        {"prompt": f"what is {x} plus two", "answer": [a, f"it is {a}"]} for x, a in (("one", "three"), ("two", "four"))
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in asked * 2))
    out = tmp_path / "own"
    code, _, error = gyro("eval", f"{run}:sft", "--suite", questions, "--max-new-tokens", "20", "--out", out, "--json")
    assert code == 0, error
    assert {r["metric"] for r in read(out, "evals.json")} == {"accuracy"}


@pytest.mark.parametrize("suite", ["town", "town-criticism"])
def test_the_suites_of_the_town_are_told_beforehand(run, gyro, suite):
    code, out, _ = gyro("eval", f"{run}:sft", "--suite", suite, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["sampling"]["max_new_tokens"] == 32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--property", "beauty"], "no such property"),
        (["--suite", "village"], "no such suite"),
        (["--suite", "public", "--data", "nowhere"], "no such file or folder"),
    ],
)
def test_bad_input_is_one_line(run, gyro, tmp_path, arguments, said):
    code, _, error = gyro("eval", f"{run}:sft", *arguments, "--out", tmp_path / "out", "--json")
    assert code == 2
    assert said in error.splitlines()[-1]
    assert "Traceback" not in error


def test_a_stage_that_is_not_there_is_named_with_those_that_are(run, gyro):
    code, _, error = gyro("eval", f"{run}:dpo", "--json")
    assert code == 2
    assert "base, sft, ppo" in error


def test_a_dead_endpoint_is_one_line(tmp_path, gyro):
    code, _, error = gyro("eval", "http://127.0.0.1:9/v1#m", "--out", tmp_path / "out", "--retries", "0", "--json")
    assert code == 2
    assert "127.0.0.1:9" in error.splitlines()[-1]
    assert read(tmp_path / "out", "run.json")["status"] == "failed"


def test_the_public_suite_runs_on_any_model_and_says_what_it_left_out(checkpoint, tmp_path, gyro):
    out, files = tmp_path / "out", Path(__file__).parents[1] / "evals" / "public" / "fixtures"
    code, _, error = gyro(
        "eval", checkpoint("llama"), "--suite", "public", "--data", files, "--max-new-tokens", "8", "--prompts", "60",
        "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, error
    assert set(PROPERTIES) - {"values"} <= {row["property"] for row in read(out, "evals.json")}
    assert any("HarmBench" in warning and "--judge" in warning for warning in read(out, "run.json")["warnings"])


def test_a_model_is_measured_as_a_critic(run, gyro, tmp_path):
    arguments = ("--suite", "town-criticism", "--prompts", 120, "--out", tmp_path / "critic", "--json")
    code, _, error = gyro("eval", f"{run}:sft", *arguments)
    assert code == 0, error
    rows = read(tmp_path / "critic", "evals.json")
    assert {"critique_accuracy", "revision_kept"} <= {row["metric"] for row in rows}
    assert {row["property"] for row in rows} == {"instruction"}
