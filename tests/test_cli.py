"""What a user meets: help, and one line for everything that can't be used."""

import json
import subprocess
import sys

import pytest

from gyrocompass.cli import COMMANDS
from gyrocompass.run import Run

PAIR = {"prompt": "say hello", "chosen": "hello there", "rejected": "no"}


def rows(path, *items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def one_line(error):
    lines = [line for line in error.splitlines() if line.strip()]
    assert "Traceback" not in error
    assert lines[-1].startswith("error: ")
    return lines[-1]


def test_help_answers_without_heavy_imports():
    code = "import sys; from gyrocompass.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'transformers', 'pydantic', 'datasets', 'numpy'} & set(sys.modules)\nassert not heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "gyro run" in done.stdout


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "gyrocompass", "--help"], capture_output=True, text=True, check=True)
    assert "gyro run" in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(gyro, name):
    code, out, _ = gyro(name, "--help")
    assert code == 0
    assert "Usage" in out


def test_a_dry_run_prints_the_settings_and_writes_nothing(gyro, tmp_path):
    code, out, _ = gyro("run", "--dry-run", "--out", tmp_path / "x", "--set", "ppo.kl_coef=0.5", "--seed", 9)
    assert code == 0
    assert "kl_coef: 0.5" in out
    assert "seed: 9" in out
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--set", "ppo.kl_ceof=1"], "nearest one is 'ppo.kl_coef'"),
        (["run", "nowhere.yaml"], "no such recipe"),
        (["run", "rlhf", "--set", "model=town", "--set", "data={missing}"], "needs a model that knows its language"),
        (["run", "rlhf", "--set", "model={model}", "--set", "data={missing}"], "missing.jsonl"),
        (["sft", "--model", "{model}", "--data", "{missing}"], "missing.jsonl"),
        (["sft", "--model", "{model}", "--data", "{empty}"], "empty.jsonl"),
        (["sft", "--model", "{missing}", "--data", "{pairs}"], "can't be loaded as a model"),
        (["reward", "--model", "{model}", "--data", "{examples}"], "chosen"),
        (["reward", "--model", "{model}", "--data", "{equal}"], "equal"),
        (["reward", "--model", "{model}", "--data", "{broken}"], "broken.jsonl:2"),
        (["reward", "--model", "{model}", "--data", "{pairs}", "--device", "cuda"], "can't be used here"),
        (["run", "--set", "model=["], "not a YAML value"),
        (["run", "rlhf", "--set", "model={model}", "--set", "data={pairs}"], "too few"),
        (["ppo", "--model", "{model}", "--data", "{pairs}", "--scorer", "builtins:len", "--estimator", "rloo",
          "--samples-per-prompt", "2", "--batch-size", "4", "--max-new-tokens", "4"], "return one number each"),
        (["reward", "--model", "{model}", "--data", "{long}"], "no preferences to learn from"),
        (["ppo", "--model", "{model}", "--data", "{pairs}", "--scorer", "math:nothing"], "module:function"),
        (["ppo", "--model", "{model}", "--data", "{pairs}", "--scorer", "math:sin", "--estimator", "rloo"],
         "samples_per_prompt >= 2"),
        (["ppo", "--model", "{model}", "--data", "{long}", "--scorer", "math:sin"], "leaves no room"),
    ],
)  # fmt: skip
def test_what_can_t_be_used_is_one_line_and_exit_code_2(gyro, checkpoint, tmp_path, arguments, says):
    places = {
        "model": checkpoint("gpt2"),
        "missing": tmp_path / "missing.jsonl",
        "empty": rows(tmp_path / "empty.jsonl"),
        "pairs": rows(tmp_path / "pairs.jsonl", *[{**PAIR, "prompt": f"say {i}"} for i in range(8)]),
        "examples": rows(tmp_path / "examples.jsonl", {"prompt": "a", "completion": "b"}),
        "equal": rows(tmp_path / "equal.jsonl", {**PAIR, "rejected": PAIR["chosen"]}),
        "broken": tmp_path / "broken.jsonl",
        "long": rows(tmp_path / "long.jsonl", *[{**PAIR, "prompt": f"{i} " * 300} for i in range(8)]),
    }
    places["broken"].write_text(json.dumps(PAIR) + "\n{oh\n")
    filled = [a.format(**places) for a in arguments]
    code, _, error = gyro(*filled, "--out", tmp_path / "run")
    assert says in one_line(error)
    assert code == 2
    state = tmp_path / "run" / "run.json"
    assert not state.exists() or json.loads(state.read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("scorer", "flags", "says"),
    [
        ("nan_scorer", [], "scores are NaN"),
        ("loves_everything", ["--kl-limit", "0.0001", "--learning-rate", "0.1"], "raise ppo.kl_coef"),
    ],
)
def test_diverging_is_one_line_and_exit_code_3(gyro, checkpoint, tmp_path, monkeypatch, scorer, flags, says):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scorers.py").write_text(
        "import numpy as np\n"
        "def nan_scorer(examples): return np.full(len(examples), np.nan)\n"
        "def loves_everything(examples): return np.array([float(len(e.response)) for e in examples])\n"
    )
    data = rows(tmp_path / "prompts.jsonl", *[{"prompt": f"say {i}"} for i in range(8)])
    code, _, error = gyro(
        "ppo", "--model", checkpoint("gpt2"), "--data", data, "--scorer", f"scorers:{scorer}", "--steps", 4,
        "--batch-size", 8, "--minibatches", 1, "--max-new-tokens", 6, "--out", tmp_path / "run", *flags,
    )  # fmt: skip
    assert says in one_line(error)
    assert code == 3
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["status"] == "failed"
    assert says in state["error"]


def hh_like(n):
    """Rows of the shape of HH-RLHF, in which the chosen answer is the polite one."""
    return [
        {
            "chosen": f"\n\nHuman: question {i}?\n\nAssistant: Happy to help with {i}.",
            "rejected": f"\n\nHuman: question {i}?\n\nAssistant: Go away {i}",
        }
        for i in range(n)
    ]


def test_a_report_is_written_for_every_run_named(gyro, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        Run.open(folder, {"stage": "sft", "seed": 0}, quiet=True)
    code, out, error = gyro("report", *folders)
    assert code == 0, error
    assert out.splitlines() == [str(folder / "report.html") for folder in folders]
    assert all((folder / "report.html").exists() for folder in folders)
    code, out, error = gyro("report", folders[0], tmp_path / "none")
    assert code == 2
    assert out.splitlines() == [str(folders[0] / "report.html")]
    assert "none" in one_line(error)
    assert gyro("report")[0] == 2


def test_a_gpt2_with_a_byte_tokenizer_learns_hh_transcripts(gyro, checkpoint, tmp_path):
    data = rows(tmp_path / "hh.jsonl", *hh_like(120))
    code, out, error = gyro(
        "reward", "--model", checkpoint("gpt2"), "--data", data, "--out", tmp_path / "run", "--learning-rate", 0.003,
        "--batch-size", 16, "--epochs", 2, "--heldout-fraction", 0.25, "--json",
    )  # fmt: skip
    assert code == 0, error
    closing = json.loads(out.splitlines()[-1])
    rows_ = json.loads((tmp_path / "run" / "evals.json").read_text())
    assert rows_[0]["metric"] == "accuracy"
    assert rows_[0]["n"] == 30
    assert rows_[0]["low"] > 0.5
    assert "Accuracy on held-out preferences" in closing["summary"][0]
    assert any("no pad token" in w for w in closing["warnings"])
    assert (tmp_path / "run" / "report.html").exists()


def test_the_whole_road_on_a_user_s_model_and_data(gyro, checkpoint, tmp_path):
    data = rows(tmp_path / "hh.jsonl", *hh_like(60))
    sets = [
        f"model={checkpoint('llama')}", f"data={data}", "sampling.max_new_tokens=8", "ppo.steps=2", "ppo.batch_size=8",
        "evaluation.prompts=6", "evaluation.probes=1", "evaluation.best_of=2", "compute.lora_rank=2",
    ]  # fmt: skip
    code, out, error = gyro(
        "run", "recipes/rlhf.yaml", *[p for s in sets for p in ("--set", s)], "--out", tmp_path / "run", "--json"
    )
    assert code == 0, error
    closing = json.loads(out.splitlines()[-1])
    assert closing["status"] == "done"
    metrics = {row["metric"] for row in json.loads((tmp_path / "run" / "evals.json").read_text())}
    assert metrics == {"proxy", "heldout_proxy", "accuracy"}
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["gold_name"] is None
    assert list(state["data"]) == [str(data)]
    assert "held-out reward model" in " ".join(state["summary"])
    assert list((tmp_path / "run" / "stages").glob("*-ppo/adapter/adapter_model.safetensors"))
