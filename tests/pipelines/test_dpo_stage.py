"""`gyro dpo` and its stages: what they leave behind, what they keep, and what they refuse."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file

from gyrocompass.config import DPO, Compute
from gyrocompass.files import read_jsonl
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.loading import load
from gyrocompass.pipelines import preference_stages
from gyrocompass.records import Example, Preference, user
from gyrocompass.run import Run

SMALL = ["--learning-rate", 0.003, "--batch-size", 16, "--epochs", 2, "--heldout-fraction", 0.25,
         "--max-new-tokens", 8, "--precision", "fp32", "--json"]  # fmt: skip


def hh_like(n):
    return [
        {
            "chosen": f"\n\nHuman: question {i}?\n\nAssistant: Happy to help with {i}.",
            "rejected": f"\n\nHuman: question {i}?\n\nAssistant: Go away {i}",
        }
        for i in range(n)
    ]


def rows(path, *items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def read(folder, name):
    return json.loads((folder / name).read_text())


def measured(folder):
    return {row["metric"]: row for row in read(folder, "evals.json")}


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    """gyro dpo with adapters on rows of the shape of HH-RLHF: its run folder and its closing JSON line."""
    import contextlib
    import io

    from gyrocompass.cli import main

    folder = tmp_path_factory.mktemp("dpo")
    bad = [
        {**hh_like(1)[0], "rejected": "\n\nHuman: another?\n\nAssistant: No."},
        {"chosen": f"\n\nHuman: long?\n\nAssistant: {'a' * 300}", "rejected": "\n\nHuman: long?\n\nAssistant: b"},
    ]
    data = rows(folder / "hh.jsonl", *hh_like(80), *bad)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main([str(a) for a in ("dpo", "--model", checkpoint("gpt2"), "--data", data, "--out", folder / "run",
                               "--lora-rank", 4, *SMALL)])  # fmt: skip
    return folder / "run", json.loads(out.getvalue().splitlines()[-1])


def test_it_learns_and_says_how_well_on_prompts_held_out(finished):
    folder, closing = finished
    found = measured(folder)
    assert found["accuracy"]["model"] == "dpo"
    assert found["accuracy"]["property"] == "intent"
    assert found["accuracy"]["low"] > 0.5
    assert found["accuracy"]["n"] == found["margin"]["n"] >= 20
    said = closing["summary"][0]
    for part in ("accuracy", "margin", "KL to the reference", "nats a response", "dpo/model"):
        assert part in said
    assert (folder / "report.html").exists()


def test_unusable_pairs_are_dropped_and_counted(finished):
    warnings = " | ".join(finished[1]["warnings"])
    assert "82 rows read" in warnings
    assert "1 dropped" in warnings
    assert "longer than 256 tokens" in warnings


def test_its_rows_begin_at_ln_2_and_kl_is_probed_five_times(finished):
    logged = [row for row in read_jsonl(finished[0] / "metrics.jsonl") if row["stage"] == "dpo"]
    steps = [row for row in logged if "loss" in row]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert steps[-1]["margin"] > 0.05
    probes = [row for row in logged if "kl_nats_low" in row]
    assert len(probes) == 5
    assert probes[0]["kl_nats"] == pytest.approx(0, abs=1e-4)
    assert probes[-1]["kl_nats"] != 0
    assert probes[-1]["n"] == 21  # a quarter of 82 prompts


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # peft's own
def test_the_adapter_loads_with_peft_and_is_the_merged_model(finished, checkpoint):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    stage = finished[0] / "stages" / "01-dpo"
    base = AutoModelForCausalLM.from_pretrained(checkpoint("gpt2"))
    ids = torch.arange(12)[None]
    plain = base(ids).logits
    adapted = PeftModel.from_pretrained(base, stage / "adapter")(ids).logits
    merged = AutoModelForCausalLM.from_pretrained(stage / "model")(ids).logits
    torch.testing.assert_close(adapted, merged, atol=1e-4, rtol=1e-4)
    assert (adapted - plain).abs().max() > 1e-2


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # peft's own
def test_an_adapter_s_folder_loads_as_the_merged_model(finished, checkpoint, tmp_path):
    stage = finished[0] / "stages" / "01-dpo"
    folder = tmp_path / "adapter"
    shutil.copytree(stage / "adapter", folder)
    for file in checkpoint("gpt2").glob("token*"):
        shutil.copy(file, folder)
    rows = [Row([5, 6, 7, 8], 2)]
    adapted, merged = (load(str(one), FP32) for one in (folder, stage / "model"))
    torch.testing.assert_close(adapted.logprobs(pad(rows)), merged.logprobs(pad(rows)), atol=1e-4, rtol=1e-4)


def test_the_reference_s_log_probabilities_of_every_pair_are_kept(finished):
    kept = load_file(finished[0] / "stages" / "01-dpo" / "reference.safetensors")["logprobs"]
    assert kept.shape == (80, 2)
    assert (kept < 0).all()


def preferences(n, p=1.0):
    return [Preference(user(f"q{i}"), "good" + "!" * (i % 3), "evil" + "!" * (i % 2), p) for i in range(n)]


def run_of(folder):
    return Run.open(folder, {"seed": 0}, quiet=True)


QUICK = {"learning_rate": 3e-3, "batch_size": 8, "checkpoint_every": 2, "heldout_fraction": 0.2}
FP32 = Compute(precision="fp32")


@pytest.mark.parametrize("lora", [0, 2])
def test_a_killed_run_reads_its_reference_back_and_ends_where_it_would_have(checkpoint, tmp_path, monkeypatch, lora):
    base, compute = str(checkpoint("llama")), Compute(precision="fp32", lora_rank=lora)
    config = DPO(**QUICK)

    def finish(folder):
        return preference_stages.dpo(run_of(folder), base, preferences(40), config, compute)

    whole = load_file(finish(tmp_path / "whole") / "model.safetensors")
    learner = preference_stages.DirectPreferenceOptimisation
    loss, calls = learner.loss, []

    def killed(self, micro):
        calls.append(micro)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(self, micro)

    monkeypatch.setattr(learner, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        finish(tmp_path / "killed")
    monkeypatch.undo()
    file = tmp_path / "killed" / "stages" / "01-dpo" / "reference.safetensors"
    before = file.stat().st_mtime_ns, file.read_bytes()

    found = load_file(finish(tmp_path / "killed") / "model.safetensors")
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before
    assert all(torch.equal(value, found[name]) for name, value in whole.items())


def test_stages_of_one_run_share_a_reference(checkpoint, tmp_path):
    run, base = run_of(tmp_path / "run"), str(checkpoint("llama"))
    kept = run.stage_folder("dpo-1")
    stamps = []
    for name, beta in (("dpo-1", 0.1), ("dpo-2", 0.5)):
        preference_stages.dpo(run, base, preferences(24), DPO(beta=beta, **QUICK), FP32, name=name, kept=kept)
        stamps.append((kept / "reference.safetensors").stat().st_mtime_ns)
    assert stamps[0] == stamps[1]
    assert not (run.stage_folder("dpo-2") / "reference.safetensors").exists()
    assert {row["model"] for row in read(run.folder, "evals.json")} == {"dpo-1", "dpo-2"}
    assert {row["stage"] for row in read_jsonl(run.folder / "metrics.jsonl")} == {"dpo-1", "dpo-2"}


def test_a_reference_by_name_is_read_once_and_announced(checkpoint, tmp_path):
    other = tmp_path / "other"
    network = load(str(checkpoint("llama")), FP32)
    with torch.no_grad():
        network.core.lm_head.weight.mul_(1.5)
    network.save(other)
    run = run_of(tmp_path / "run")
    config = DPO(reference=str(other), **QUICK)
    preference_stages.dpo(run, str(checkpoint("llama")), preferences(24), config, FP32)
    assert any("nor the loss at ln 2" in warning for warning in run.state["warnings"])
    first = read_jsonl(run.folder / "metrics.jsonl")[0]
    assert abs(first["loss"] - math.log(2)) > 1e-4


@pytest.mark.parametrize(("loss", "reference"), [("simpo", "start"), ("orpo", "start"), ("sigmoid", "none")])
def test_without_a_reference_none_is_computed(checkpoint, tmp_path, loss, reference):
    run = run_of(tmp_path / "run")
    config = DPO(loss=loss, reference=reference, **QUICK)
    preference_stages.dpo(run, str(checkpoint("llama")), preferences(24), config, FP32)
    assert not list(run.folder.glob("stages/*/reference.safetensors"))
    assert measured(run.folder)["accuracy"]["n"] == 5


LABELLED = [Example(user(f"q{i}"), "ab"[i % 2], i % 2 == 0) for i in range(40)]


@pytest.mark.parametrize("records", [preferences(40), LABELLED], ids=["preferences", "labelled"])
def test_kto_learns_from_preferences_and_from_labelled_examples(checkpoint, tmp_path, records):
    run = run_of(tmp_path / "run")
    preference_stages.dpo(run, str(checkpoint("llama")), records, DPO(loss="kto", **QUICK), FP32)
    assert (run.folder / "evals.json").exists() == isinstance(records[0], Preference)
    assert read_jsonl(run.folder / "metrics.jsonl")[0]["loss"] == pytest.approx(0.5, abs=1e-4)


def test_gyro_dpo_takes_labelled_examples_under_kto(gyro, checkpoint, tmp_path):
    data = rows(tmp_path / "kto.jsonl", *[
        {"prompt": f"q{i}", "completion": "good" if i % 2 else "evil", "label": bool(i % 2)} for i in range(24)
    ])  # fmt: skip
    arguments = ["dpo", "--model", checkpoint("llama"), "--data", data, *SMALL]
    code, _, error = gyro(*arguments, "--out", tmp_path / "sigmoid")
    assert code == 2
    assert "chosen" in error
    code, out, error = gyro(*arguments, "--loss", "kto", "--out", tmp_path / "kto")
    assert code == 0, error
    assert "too few held-out preferences" in " ".join(json.loads(out.splitlines()[-1])["warnings"])


def test_gyro_dpo_with_a_scorer_learns_online(gyro, checkpoint, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shortness.py").write_text(
        "import numpy as np\ndef short(examples): return np.array([-float(len(e.response)) for e in examples])\n"
    )
    data = rows(tmp_path / "prompts.jsonl", *[{"prompt": f"say {i}"} for i in range(8)])
    code, out, error = gyro(
        "dpo", "--model", checkpoint("llama"), "--data", data, "--scorer", "shortness:short", "--steps", 3,
        "--lora-rank", 2, "--out", tmp_path / "run", *[a for a in SMALL if a not in ("--heldout-fraction", 0.25)],
    )  # fmt: skip
    assert code == 0, error
    logged = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in logged] == [1, 2, 3]
    assert {"score", "kl_nats", "response_tokens", "ended_fraction", "pairs", "loss", "margin"} <= logged[0].keys()
    assert "KL to the reference" in json.loads(out.splitlines()[-1])["summary"][0]
    assert (tmp_path / "run" / "stages" / "01-dpo" / "adapter" / "adapter_model.safetensors").exists()


def test_what_can_t_be_used_is_one_line_and_exit_code_2(gyro, checkpoint, tmp_path, finished):
    model = checkpoint("llama")
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    pairs = rows(tmp_path / "pairs.jsonl", *[{"prompt": f"q{i}", "chosen": "a", "rejected": "b"} for i in range(8)])
    ties = rows(tmp_path / "ties.jsonl", *[
        {"prompt": f"q{i}", "first": "a", "second": "b", "p_first": 0.5} for i in range(8)
    ])  # fmt: skip
    cases = [
        (["--data", ties], "are ties"),
        (["--data", ties, "--loss", "kto"], "0 desirable and 0 undesirable"),
        (["--data", pairs, "--reference", copy], "the very model that training starts from"),
        (["--data", pairs, "--reference", tmp_path / "nowhere"], "can't be loaded as a model"),
        (["--data", pairs, "--steps", 3], "--steps is for online dpo"),
        (["--data", pairs, "--loss", "ipo", "--label-noise", 0.1], "takes no label_noise"),
        (["--data", pairs, "--scorer", "math:sin", "--loss", "kto"], "kto learns from labelled responses"),
    ]  # fmt: skip
    for number, (arguments, says) in enumerate(cases):
        given = arguments if "--model" in arguments else ["--model", model, *arguments]
        code, _, error = gyro("dpo", *given, "--max-new-tokens", 8, "--out", tmp_path / str(number))
        lines = [line for line in error.splitlines() if line.startswith("error: ")]
        assert code == 2, (arguments, error)
        assert len(lines) == 1
        assert says in lines[0], lines


def test_a_context_without_room_for_a_response_is_no_obstacle_to_learning(gyro, checkpoint, tmp_path):
    data = rows(tmp_path / "hh.jsonl", *hh_like(16))
    arguments = [256 if a == 8 else a for a in SMALL]
    code, out, error = gyro(
        "dpo", "--model", checkpoint("llama"), "--data", data, *arguments, "--out", tmp_path / "run"
    )
    assert code == 0, error
    closing = json.loads(out.splitlines()[-1])
    assert any("the KL to the reference is not measured" in warning for warning in closing["warnings"])
    assert "KL to the reference: not measured" in closing["summary"][0]
