import json
import shutil

import pytest
from transformers import AutoTokenizer

from gyrocompass.config import Compute, StepPayment
from gyrocompass.errors import InputError
from gyrocompass.files import read_jsonl
from gyrocompass.learn.process import StepReward
from gyrocompass.models.loading import load
from gyrocompass.models.scorer import RewardModel
from gyrocompass.models.steps import ProcessRewardModel, whole
from gyrocompass.pipelines.process_own import step_scorer
from gyrocompass.pipelines.stages import paid, scorer_of

from ..models.endpoint_server import Server, serving

WORDS = ["--max-new-tokens", "24"]
QUESTIONS = [f"is {a} plus {b} minus one even or odd" for a in ("three", "five", "six") for b in ("two", "four")]
CUT = r"\s(?=(?:then|so)\b)"
ANSWER = r"it is (\w+)$"


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    answers = ["even", "even", "even", "even", "odd", "odd"]
    both = zip(QUESTIONS, answers, strict=True)
    path.write_text("".join(json.dumps({"prompt": q, "answer": a}) + "\n" for q, a in both))
    return path


def test_label_train_and_score_on_one_s_own_questions(gyro, tmp_path, questions):
    common = ["--model", "town", "--data", questions, *WORDS, "--cut", CUT, "--answer", ANSWER, "--json"]
    code, out, err = gyro("process", "label", *common, "--chains", 4, "--rollouts", 2, "--out", tmp_path / "labels")
    assert code == 0, err
    assert "soft labels" in json.loads(out)["summary"][0]
    steps = tmp_path / "labels" / "steps.jsonl"
    code, out, err = gyro(
        "process", "train", "--model", "town", "--data", steps, "--joint", " ", "--out", tmp_path / "prm", "--json"
    )
    assert code == 0, err
    prm = tmp_path / "prm" / "stages" / "01-prm" / "model"
    code, out, err = gyro("process", "score", *common, "--prm", prm, "--best-of", 4, "--out", tmp_path / "score")
    assert code == 0, err
    assert "of the best of 4 by prm" in json.loads(out)["summary"][0]
    rows = json.loads((tmp_path / "score" / "evals.json").read_text())
    assert {(row["model"], row["slice"]) for row in rows} == {
        (f"best-of-{n}", by) for n in (1, 2, 4) for by in ("prm", "majority")
    }
    code, _, err = gyro("process", "score", *common, "--prm", prm, "--reference", "x", "--out", tmp_path / "other")
    assert code == 2
    assert "leave out --reference" in err or "can't be loaded" in err


def test_people_label_on_a_sheet(gyro, tmp_path, questions):
    run = tmp_path / "people"
    code, out, err = gyro(
        "process", "label", "--model", "town", "--data", questions, *WORDS, "--labels", "people", "--chains", 1,
        "--cut", CUT, "--out", run, "--json",
    )  # fmt: skip
    assert code == 0, err
    sheet = next(run.glob("stages/*/sheet.jsonl"))
    assert str(sheet) in json.loads(out)["summary"][0]
    code, _, err = gyro("process", "read", sheet)
    assert code == 2
    assert "is labelled yet" in err
    lines = [json.loads(line) for line in sheet.read_text().splitlines()]
    lines[0]["labels"] = ["right"] * len(lines[0]["steps"])
    sheet.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, _ = gyro("process", "read", sheet)
    assert code == 0
    assert f"{len(lines) - 1} are still open" in out


@pytest.mark.parametrize("command", ["label", "score"])
def test_questions_without_answers_are_refused_before_anything_is_sampled(gyro, tmp_path, checkpoint, command):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"prompt": "is one plus one even or odd"}\n')
    prm = ["--prm", checkpoint()] if command == "score" else []
    code, _, err = gyro("process", command, "--model", "town", "--data", path, *prm, "--out", tmp_path / "run")
    assert code == 2
    assert "no column 'answer'" in err
    assert not list((tmp_path / "run").glob("stages/*"))


def test_a_bench_without_errors_has_no_f1(gyro, tmp_path, prm):
    rows = [{"problem": "q", "steps": ["a", "b"], "label": label} for label in (-1, 0)]
    path = tmp_path / "bench.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scorer = prm()
    code, out, err = gyro("process", "bench", "--data", path, "--prm", scorer, "--out", tmp_path / "a", "--json")
    assert code == 0, err
    assert "F1 of the earliest error" in json.loads(out)["summary"][0]
    path.write_text(json.dumps(rows[0]) + "\n")
    code, _, err = gyro("process", "bench", "--data", path, "--prm", scorer, "--out", tmp_path / "b")
    assert code == 2
    assert "it has one kind alone" in err


def test_a_dry_run_does_nothing(gyro, tmp_path):
    code, out, _ = gyro("process", "train", "--model", "town", "--data", "x", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["learning"]["until_error"] is True


def rows(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def chains(path):
    prompts = [f"what is {i} plus one" for i in range(8)]
    return rows(
        path,
        *[{"prompt": p, "completions": ["one", "two"], "labels": [True, i % 2 > 0]} for i, p in enumerate(prompts)],
    )


@pytest.fixture
def prm(gyro, tmp_path, checkpoint):
    """prm(*flags) -> folder of a model trained on labelled chains, a process reward model or an implicit one."""

    def make(*flags):
        out = tmp_path / f"prm{len(flags)}"
        code, _, err = gyro(
            "process", "train", "--model", checkpoint(), "--data", chains(tmp_path / "chains.jsonl"), "--batch-size", 4,
            "--out", out, *flags,
        )  # fmt: skip
        assert code == 0, err
        return next(out.glob("stages/*/model"))

    return make


def test_a_saved_process_reward_model_says_that_it_is_one(prm, tiny, tmp_path):
    folder = prm()
    assert "a process reward model" in (folder / "README.md").read_text()
    steps = StepPayment(cut=r"\.", aggregate="mean", myopic=True)
    scorer = scorer_of(str(folder), Compute(), steps)
    assert isinstance(scorer, ProcessRewardModel)
    assert (scorer.cutting("a. b"), scorer.by) == (("a", "b"), "mean")
    assert paid(scorer, steps) == StepReward(scorer, "mean", True)
    tiny(scalar=True, trainable=True).save(tmp_path / "plain")
    plain = scorer_of(str(tmp_path / "plain"), Compute(), steps)
    assert isinstance(plain, RewardModel)
    assert paid(plain, StepPayment()) is plain
    with pytest.raises(InputError, match="give one process reward model"):
        paid(plain, steps)
    again = load(str(folder), Compute(), scalar=True, trainable=True)
    assert not hasattr(again.core.config, "step_joint"), "what is trained on from it is another thing"
    with pytest.raises(InputError, match="an implicit process reward model, which scores by likelihood"):
        scorer_of(str(prm("--implicit")), Compute(), steps)


def test_an_implicit_model_learns_of_whole_chains_alone(gyro, tmp_path, checkpoint):
    made = [{"prompt": f"q{i}", "completions": ["one"], "labels": [i % 2 > 0]} for i in range(4)]
    data = rows(
        tmp_path / "chains.jsonl", *made, made[0] | {"shortened": "a step without a rating"},
        made[1] | {"finish_reason": "bad_problem"},
    )  # fmt: skip
    code, out, err = gyro(
        "process", "train", "--model", checkpoint(), "--data", data, "--implicit", "--out", tmp_path / "run", "--json"
    )
    assert code == 0, err
    warned = json.loads(out)["warnings"]
    assert any("1 shortened to what comes before a step without a rating" in one for one in warned)
    assert any("2 of 6 chains are shortened or come to no answer" in one for one in warned)


def test_ppo_pays_the_steps_of_a_process_reward_model(gyro, tmp_path, checkpoint, prm):
    """A model that has hardly learnt gives each step about 1/2: the least of them, or, if myopic, all their sum."""
    data = rows(tmp_path / "prompts.jsonl", *[{"prompt": f"say {i}"} for i in range(8)])
    common = [
        "ppo", "--model", checkpoint(), "--data", data, "--scorer", prm(), "--steps", 1, "--batch-size", 8,
        "--minibatches", 1, "--max-new-tokens", 24, "--missing-end-penalty", 0, "--cut", "[^a-z]+", "--json",
    ]  # fmt: skip

    def score(*flags):
        out = tmp_path / f"ppo{len(flags)}"
        code, _, err = gyro(*common, *flags, "--out", out)
        assert code == 0, err
        (row,) = [row for row in read_jsonl(out / "metrics.jsonl") if row["stage"] == "ppo"]
        return row["score"]

    least, summed = score(), score("--myopic")
    assert 0 < least < 0.6 < summed
    code, _, err = gyro(*common, "--length-control", "--out", tmp_path / "controlled")
    assert code == 2
    assert "--length-control is for scores of whole responses" in err


def test_an_implicit_model_s_reference_reads_the_same_tokens(prm, checkpoint, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(checkpoint(), other)
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["something"])
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="its tokenizer is not the policy's"):
        step_scorer(str(prm("--implicit")), str(other), whole, "min", Compute(precision="fp32"))


def test_who_has_no_part_in_the_labels_is_refused(gyro, tmp_path, checkpoint):
    data = rows(tmp_path / "prompts.jsonl", {"prompt": "say", "answer": "1"})
    common = ["process", "label", "--model", checkpoint(), "--data", data, "--out", tmp_path / "run"]
    code, _, err = gyro(*common, "--checker", "checks:even")
    assert code == 2
    assert "--checker has no part in soft labels" in err
    code, _, err = gyro(*common, "--labels", "checker", "--checker", "checks:even", "--prm", "x")
    assert code == 2
    assert "--prm has no part in checker labels" in err


def even(prompt, steps):
    return [float(len(step) % 2 == 0) for step in steps]


def test_a_checker_and_an_implicit_model_label_steps(gyro, tmp_path, checkpoint, prm, monkeypatch):
    (tmp_path / "checks.py").write_text("def even(prompt, steps): return [len(step) % 2 == 0 for step in steps]\n")
    monkeypatch.syspath_prepend(tmp_path)
    data = rows(tmp_path / "prompts.jsonl", *[{"prompt": f"say {i}"} for i in range(4)])
    common = [
        "process", "label", "--model", checkpoint(), "--data", data, "--max-new-tokens", 20, "--cut", "[^a-z]+",
        "--json",
    ]  # fmt: skip
    by = {
        "checker": ["--checker", "checks:even"],
        "implicit": ["--prm", prm("--implicit"), "--reference", checkpoint()],
    }
    for labels, flags in by.items():
        code, out, err = gyro(*common, "--labels", labels, *flags, "--out", tmp_path / labels)
        assert code == 0, err
        assert f"{labels} labels" in json.loads(out)["summary"][0]
        labelled = read_jsonl(tmp_path / labels / "steps.jsonl")
        assert labelled
        if labels == "checker":
            assert all(row["labels"] == even(None, row["steps"]) for row in labelled)
        code, _, err = gyro(*common, "--labels", labels, "--out", tmp_path / f"{labels}-unnamed")
        assert code == 2
        assert "needs --prm and --reference" in err if labels == "implicit" else "with --checker module:function" in err
    code, _, err = gyro(*common, "--labels", "checker", "--checker", "checks:odd", "--out", tmp_path / "none")
    assert code == 2
    assert "give module:function" in err


def test_an_endpoint_samples_and_is_refused_where_it_can_t_do_what_is_needed(gyro, tmp_path, checkpoint, prm):
    questions = rows(tmp_path / "questions.jsonl", *[{"prompt": f"say {i}", "answer": str(i)} for i in range(3)])
    with serving(Server()) as server:
        model = f"{server.url}#toy"
        common = ["--model", model, "--data", questions]
        code, out, err = gyro(
            "process", "label", *common, "--labels", "people", "--chains", 2, "--out", tmp_path / "people", "--json"
        )
        assert code == 0, err
        assert "6 responses wait" in json.loads(out)["summary"][0]
        asked = server.requests
        code, out, err = gyro(
            "process", "score", *common, "--prm", prm(), "--best-of", 2, "--out", tmp_path / "score", "--json"
        )
        assert code == 0, err
        assert "of the best of 2" in json.loads(out)["summary"][0]
        assert server.requests > asked
        refused = {
            "doesn't go on with a response": ["label", *common],
            "can't be trained": ["train", *common],
            "a number for each step": ["score", "--model", checkpoint(), "--data", questions, "--prm", model],
        }
        for told, command in refused.items():
            code, _, err = gyro("process", *command, "--out", tmp_path / command[0] / "refused")
            assert code == 2
            assert told in err
            assert model in err
