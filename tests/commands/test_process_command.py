import json

import pytest

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


def test_a_bench_without_errors_has_no_f1(gyro, tmp_path, checkpoint):
    rows = [{"problem": "q", "steps": ["a", "b"], "label": label} for label in (-1, 0)]
    path = tmp_path / "bench.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prm = checkpoint("llama")
    code, out, err = gyro("process", "bench", "--data", path, "--prm", prm, "--out", tmp_path / "a", "--json")
    assert code == 0, err
    assert "F1 of the earliest error" in json.loads(out)["summary"][0]
    path.write_text(json.dumps(rows[0]) + "\n")
    code, _, err = gyro("process", "bench", "--data", path, "--prm", prm, "--out", tmp_path / "b")
    assert code == 2
    assert "it has one kind alone" in err


def test_a_dry_run_does_nothing(gyro, tmp_path):
    code, out, _ = gyro("process", "train", "--model", "town", "--data", "x", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["learning"]["until_error"] is True
