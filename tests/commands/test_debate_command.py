"""`gyro debate` on models and questions of one's own, and with people; what it says before it begins."""

import json

import pytest
import yaml

from gyrocompass.cli import main
from gyrocompass.feedback.debate import PROTOCOLS
from gyrocompass.files import read_json, read_jsonl, write_jsonl

from ..conftest import byte_tokenizer, random_model

SMALL = ["--max-new-tokens", 4, "--precision", "fp32", "--device", "cpu", "--json"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with room for a whole debate in bytes."""
    folder = tmp_path_factory.mktemp("model")
    random_model("llama", max_position_embeddings=8192).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    rows = [{"id": f"q{i}", "question": f"Who ran {i}?", "answers": ["fox", "hen"], "passage": "The fox ran.",
             "truth": i % 2} for i in range(2)]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"question": "Why?", "answers": ["a", "b"]}]))
    return file


def run(capsys, *arguments):
    main(["debate", *map(str, arguments)])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["debate", *map(str, arguments)])
    return stopped.value.code, capsys.readouterr().err.strip()


def test_own_models_play_each_protocol_and_are_measured(capsys, model, questions, tmp_path):
    out = tmp_path / "run"
    told = run(
        capsys, "--data", questions, "--debater", model, "--judge", model, "--protocols",
        "informed,excerpts,open-debate", "--best-of", 2, "--out", out, *SMALL,
    )  # fmt: skip
    assert told["status"] == "done"
    assert any("1 of 3 questions have no truth" in warning for warning in told["warnings"])
    assert {"excerpts: 3 of 3 turns quote nothing", "open-debate: 12 of 12 turns quote nothing"} <= set(
        told["warnings"]
    )
    rows = {row["slice"]: row for row in read_json(out / "evals.json") if row["metric"] == "judge_accuracy"}
    assert {name: row["n"] for name, row in rows.items()} == dict.fromkeys(("informed", "excerpts", "open-debate"), 2)
    games = read_jsonl(next(out.glob("stages/*-games")) / "open-debate.jsonl")
    assert [game["question"] for game in games] == ["q0", "q1", "3"]
    assert "Debate: a judge" in (out / "report.html").read_text()


def test_a_debater_learns_from_self_play(capsys, model, questions, tmp_path):
    out, sets = tmp_path / "run", ["dpo.batch_size=4", "dpo.heldout_fraction=0.5"]
    told = run(
        capsys, "--data", questions, "--debater", model, "--judge", model, "--protocols", "blind", "--learn", "dpo",
        "--out", out, *SMALL, *(part for setting in sets for part in ("--set", setting)),
    )  # fmt: skip
    assert any("wins against its start" in sentence for sentence in told["summary"])
    assert list(out.glob("stages/*-debater-checked/model/model.safetensors"))


def test_people_are_waited_for_and_the_run_goes_on(capsys, model, questions, tmp_path):
    out = tmp_path / "run"
    command = [
        "--data",
        questions,
        "--debater",
        model,
        "--judge",
        "people",
        "--protocols",
        "blind",
        "--out",
        out,
        *SMALL,
    ]
    code, error = fails(capsys, *command)
    assert code == 4
    assert "verdicts.jsonl: 3 of 3 replies are waited for" in error
    file = out / "people" / "verdicts.jsonl"
    write_jsonl(file, [{**row, "reply": 90} for row in read_jsonl(file)])
    assert run(capsys, *command)["status"] == "done"
    (row,) = [row for row in read_json(out / "evals.json") if row["metric"] == "judge_accuracy"]
    assert (row["value"], row["n"]) == (0.5, 2)


def test_the_protocols_that_ship_are_shown_as_yaml(capsys):
    main(["debate", "--show-protocols"])
    assert [row["name"] for row in yaml.safe_load(capsys.readouterr().out)] == list(PROTOCOLS)


def test_a_dry_run_prints_the_settings_and_makes_nothing(capsys, questions, tmp_path):
    told = run(capsys, "--data", questions, "--debater", "nobody", "--out", tmp_path / "x", "--dry-run", "--json")
    assert told["pipeline"] == "debate"
    assert told["debate"]["debater"] == "nobody"
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_used_is_one_line(capsys, model, questions, tmp_path):
    code, error = fails(capsys)
    assert (code, error.count("\n")) == (2, 0)
    assert "--data" in error
    out = ["--out", tmp_path / "x"]
    for more, match in (
        (["--debater", model], "debate.judge = town knows the town's questions alone"),
        (["--judge", model], "debate.debater = strongest knows"),
        (["--debater", model, "--judge", model, "--protocols", "quarrel"], "protocol 'quarrel'"),
        (["--debater", "people", "--judge", model, "--best-of", "2", "--protocols", "consultancy"], "best_of = 2"),
        (["--debater", model, "--judge", "people", "--protocols", "consultancy", "--learn", "dpo"], "learn = dpo"),
        (["--debater", "people", "--judge", "people", "--protocols", "debate,open-debate"], "protocol open-debate"),
    ):
        code, error = fails(capsys, "--data", questions, *more, *out, *SMALL)
        assert code == 2
        assert match in error
        assert error.count("\n") == 0
