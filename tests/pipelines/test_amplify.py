"""The whole road at its smallest, and a user's own questions with people as overseers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.cli import main
from gyrocompass.config import Recipe
from gyrocompass.errors import Waiting
from gyrocompass.feedback.amplify import Limits, answer_by_amplification
from gyrocompass.feedback.amplify.amplify import Answer, Ask, Direct, Move, State
from gyrocompass.files import read_json, read_jsonl, write_json
from gyrocompass.pipelines.amplify import amplify
from gyrocompass.report import read, render
from gyrocompass.run import Run


def recipe(**amplification: Any) -> Recipe:
    puzzles = {"puzzles": ["wildcard"], "methods": ["ida", "one-shot"], "seeds": 2, "steps": 4, "processes": 1}
    small = {"batch_size": 4, "width": 16, "overseer_questions": 2}
    return Recipe.model_validate({
        "pipeline": "amplify",
        "amplification": puzzles | small | amplification,
        "amplify": {"overseer": "town", "depth": 1, "iterations": 1, "questions": 24},
        "sampling": {"max_new_tokens": 12, "temperature": 0.2},
        "sft": {"learning_rate": 1e-3, "batch_size": 24},
        "evaluation": {"prompts": 24},
    })  # fmt: skip


def go(folder: Path, made: Recipe) -> Run:
    run = Run.open(folder, made.model_dump(mode="json"), quiet=True)
    with run.guard():
        amplify(made, run)
    return run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amplify") / "run"
    go(folder, recipe())
    return folder


def test_it_ends_with_a_verdict_and_numbers_with_intervals(done: Path) -> None:
    state = read_json(done / "run.json")
    assert state["status"] == "done"
    assert [s.split(":")[0] for s in state["summary"]] == ["Wildcard", "Sums of 3 terms"]
    rows = read_json(done / "evals.json")
    assert {row["model"] for row in rows} == {"ida", "one-shot", "base", "ida-1"}
    assert {row["metric"] for row in rows} == {"accuracy", "accuracy_lead", "overseer_calls"}
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 0 for row in rows)


def test_amplified_answers_are_mostly_right_where_the_model_alone_is_not(done: Path) -> None:
    rounds = {row["stage"]: row for row in read_json(done / "amplify.json")["rounds"]}
    assert set(rounds) == {"ida-amplify-1", "one-shot-amplify", "ida-seed-1-amplify-1", "one-shot-seed-1-amplify"}
    assert all(row["questions"] == 24 and row["calls"] > 24 for row in rounds.values())


def test_the_report_shows_the_trees(done: Path) -> None:
    html = render(read(done))
    assert "Lead of iteration beyond depth 1" in html
    assert html.count('class="tree"') >= 4
    assert "what do the values of *** add up to?" in html


def test_a_killed_run_goes_on_with_the_jobs_that_are_left(done: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(done, folder)
    state = read_json(folder / "run.json")
    state["stages"][0]["status"] = "running"
    write_json(folder / "run.json", state | {"status": "failed"})
    kept, lost = (folder / "stages" / "01-wildcard" / f"{name}-1.json" for name in ("ida", "one-shot"))
    lost.unlink()
    before = kept.stat().st_mtime_ns
    go(folder, recipe())
    assert kept.stat().st_mtime_ns == before
    assert (folder / "amplify.json").read_text() == (done / "amplify.json").read_text()


def command(model: object, data: Path, out: Path, *more: object) -> list[str]:
    flags = ["--max-new-tokens", 8, "--precision", "fp32", "--device", "cpu", "--depth", 1, "--batch-size", 2, "--json"]
    return [str(part) for part in ("amplify", "--model", model, "--data", data, "--out", out, *flags, *more)]


def test_people_oversee_a_model_of_ones_own(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "questions.jsonl", tmp_path / "run"
    data.write_text("".join(json.dumps({"prompt": q}) + "\n" for q in ("Is it so?", "And that?")))
    asking = command(checkpoint("llama"), data, out, "--overseer", "people")
    with pytest.raises(SystemExit) as end:
        main(asking)
    assert end.value.code == Waiting.exit_code
    assert "2 of 2 replies are waited for" in capsys.readouterr().err
    file = out / "moves.jsonl"
    rows = [row | {"move": "answer: it is"} for row in read_jsonl(file)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(asking)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["summary"] == ["ida-amplify-1: 2 of 2 questions answered, 2 calls."]
    assert (out / "stages" / "02-ida-1" / "model" / "model.safetensors").exists()


def test_a_model_that_cannot_oversee_leaves_nothing_to_learn(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text('{"prompt": "Is it so?"}\n')
    with pytest.raises(SystemExit):
        main(command(checkpoint("llama"), data, tmp_path / "run", "--max-tokens", 200))
    assert "none of 1 questions was answered" in capsys.readouterr().err
    (tree,) = read_jsonl(tmp_path / "run" / "stages" / "01-ida-amplify-1" / "trees.jsonl")
    assert tree["answer"] is None


def test_questions_that_leave_no_room_stop_it_at_once(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text(json.dumps({"prompt": "so " * 200}) + "\n")
    with pytest.raises(SystemExit):
        main(command(checkpoint("llama"), data, tmp_path / "run"))
    assert "lower max_new_tokens" in capsys.readouterr().err


def test_a_dry_run_shows_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(command(Path("town"), Path("town"), tmp_path / "run", "--dry-run"))
    told = json.loads(capsys.readouterr().out)
    assert told["amplify"]["depth"] == 1
    assert "at_most" not in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "requests"),
    [
        (["--overseer", "model"], {"x": 2 * 10}),
        (["--overseer", "people"], {"x": 2 * 5}),
        (["--overseer", "http://h:1/v1#y"], {"x": 2 * 5, "y": 2 * 10}),
        (["--depth", "0"], {"x": 2}),
        (["--task", "summaries", "--iterations", "3"], {"x": 3 * 2 * 5}),
    ],
)
def test_a_dry_run_tells_what_endpoints_are_asked_at_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], requests: dict[str, int]
) -> None:
    """Of 2 questions with 10 calls each, where a model is asked at every other one; 8 tokens a reply."""
    data = tmp_path / "questions.jsonl"
    data.write_text("".join(json.dumps({"prompt": q}) + "\n" for q in ("Is it so?", "And that?", "Is it so?")))
    priced = ["--budget", "10", "--dry-run", "--price-out", "2", "--no-distil", *flags]
    main(command("http://h:1/v1#x", data, tmp_path / "run", *priced))
    told = json.loads(capsys.readouterr().out)["at_most"]
    assert {name.rpartition("#")[2]: one["requests"] for name, one in told.items()} == requests
    assert all(one["tokens_out"] == 8 * one["requests"] for one in told.values())
    assert all(one["cost"] == pytest.approx(2e-6 * one["tokens_out"]) for one in told.values())


@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 12), st.data())
def test_no_decomposition_asks_a_model_at_more_than_every_other_call(
    depth: int, moves: int, budget: int, drawn: st.DataObject
) -> None:
    asked: list[str] = []

    def help(questions: Sequence[str]) -> list[str]:
        asked.extend(questions)
        return ["yes"] * len(questions)

    def oversee(states: Sequence[State]) -> list[Move]:
        asks = [Ask(f"{i} {len(asked)} {s.question} {len(s.asked)}") for i, s in enumerate(states)]
        return [drawn.draw(st.sampled_from([ask, Answer("so"), Direct()])) for ask in asks]

    answer_by_amplification(["why?"], oversee, help, Limits(depth, moves, budget))
    assert len(asked) <= budget // 2
