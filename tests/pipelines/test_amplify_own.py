"""One's own questions: what is refused before anything is asked, and how many are answered rightly."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.cli import main
from gyrocompass.config import Amplify, Recipe
from gyrocompass.errors import InputError
from gyrocompass.feedback.amplify import Node
from gyrocompass.files import read_json, read_jsonl, write_json
from gyrocompass.maths import stats
from gyrocompass.pipelines.amplify import check
from gyrocompass.pipelines.amplify_own import amplified_rows, marked, references, shares
from gyrocompass.records import Example, user

SERVER = Path(__file__).parents[1] / "models" / "endpoint_server.py"
SPEC = importlib.util.spec_from_file_location("amplify_endpoint_server", SERVER)
assert SPEC
assert SPEC.loader
endpoint_server = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(endpoint_server)

REPLIES = {"Five and seven?": "12", "Three and three?": "So it goes. The answer is 6.", "One and one?": "11"}
ANSWERS = {"Five and seven?": 12, "Three and three?": "#### 6", "One and one?": 2}


def questions(folder: Path, **answers: object) -> Path:
    data = folder / "questions.jsonl"
    rows = [{"prompt": question, "answer": answer} for question, answer in (ANSWERS | answers).items()]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data


def command(model: object, data: Path, out: Path, *more: object) -> list[str]:
    flags = ["--max-new-tokens", 8, "--precision", "fp32", "--device", "cpu", "--batch-size", 2, "--json"]
    return [str(part) for part in ("amplify", "--model", model, "--data", data, "--out", out, *flags, *more)]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main(arguments)
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("GYRO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(endpoint_server.serving(endpoint_server.Server(contents=REPLIES)))


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_endpoint_is_not_asked_for_what_it_cannot_learn(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    line = refused(command(f"{server.url}#toy", questions(tmp_path), tmp_path / "run", *more), capsys)
    assert "an endpoint can't be fine-tuned" in line
    assert "amplify.distil = false" in line
    assert not server.tried


def test_summaries_ask_no_overseer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--task", "summaries", "--overseer", "people", "--dry-run"]
    line = refused(command("town", questions(tmp_path), tmp_path / "run", *flags), capsys)
    assert "summaries" in line
    assert "overseer" in line
    assert Amplify(task="summaries").overseer == "model"


def test_the_towns_sums_are_learnt_or_not_asked() -> None:
    recipe = Recipe.model_validate({"pipeline": "amplify", "amplify": {"distil": False}})
    with pytest.raises(InputError, match=r"amplify\.distil = false"):
        check(recipe)
    check(recipe.model_copy(update={"data": "questions.jsonl"}))
    scripted = recipe.model_copy(update={"data": "questions.jsonl", "amplify": Amplify(overseer="town")})
    with pytest.raises(InputError, match=r"amplify\.overseer = town takes the town's sums apart alone"):
        check(scripted)
    with pytest.raises(InputError, match=r"amplify\.task = summaries: the town's questions are sums"):
        check(Recipe.model_validate({"pipeline": "amplify", "amplify": {"task": "summaries"}}))


def test_a_run_of_several_models_is_no_overseer(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, several = tmp_path / "several" / "stages" / "01-sft" / "model", tmp_path / "several"
    model.mkdir(parents=True)
    write_json(model / "config.json", {"architectures": ["LlamaForCausalLM"]})
    write_json(several / "run.json", {"config": {"model": "x"}})
    asked = command(checkpoint("llama"), questions(tmp_path), tmp_path / "run", "--overseer", several)
    assert "amplify.overseer = " in refused(asked, capsys)


def test_an_endpoints_answers_are_counted_and_asked_for_once(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of three replies are right, alone and as amplified at depth 0; 3 calls each, as the forecast has it."""
    asked = command(f"{server.url}#toy", questions(tmp_path), tmp_path / "run", "--no-distil", "--depth", 0)
    main([*asked, "--dry-run"])
    forecast = json.loads(capsys.readouterr().out)["at_most"][f"{server.url}#toy"]
    main(asked)
    assert server.requests == forecast["requests"] == 6
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    share = stats.proportion(2, 3)
    assert told["summary"][-1] == (
        f"Right answers to these very questions, which were amplified: base {share}, ida-amplify-1 {share}."
    )
    rows = read_json(tmp_path / "run" / "evals.json")
    assert [(row["model"], row["metric"], row["value"], row["n"]) for row in rows] == [
        ("base", "accuracy", share.value, 3), ("ida-amplify-1", "accuracy", share.value, 3),
    ]  # fmt: skip
    assert all((row["property"], row["slice"], row["low"]) == ("intent", None, share.low) for row in rows)
    own = read_json(tmp_path / "run" / "amplify.json")["own"]
    assert own == [{"model": name, **share._asdict()} for name in ("base", "ida-amplify-1")]


def test_a_question_without_an_answer_leaves_the_others_uncounted(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = questions(tmp_path, **{"And so?": None})
    main(command(f"{server.url}#toy", data, tmp_path / "run", "--no-distil", "--depth", 0))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["summary"] == ["ida-amplify-1: 4 of 4 questions answered, 4 calls."]
    assert any("right answers were not counted" in warning for warning in told["warnings"])
    assert server.requests == 4


def test_idk_is_not_right_and_the_model_that_learnt_is_asked_too(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = questions(tmp_path), tmp_path / "run"
    asked = command(checkpoint("llama"), data, out, "--overseer", "people", "--learning-rate", "1e-3")
    with pytest.raises(SystemExit):
        main(asked)
    moves = {"Five and seven?": "answer: 12", "Three and three?": "answer: I don't know", "One and one?": "answer: 3"}
    rows = [row | {"move": moves[row["question"]]} for row in read_jsonl(out / "moves.jsonl")]
    (out / "moves.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(asked)
    capsys.readouterr()
    found = {row["model"]: row for row in read_json(out / "evals.json")}
    assert list(found) == ["base", "ida-amplify-1", "ida-1"]
    assert (found["ida-amplify-1"]["value"], found["ida-amplify-1"]["n"]) == (pytest.approx(1 / 3), 3)
    (answers,) = out.glob("stages/*-evaluation/answers.jsonl")
    assert [row["model"] for row in read_jsonl(answers)] == ["base"] * 3 + ["ida-1"] * 3


def test_references_are_one_for_each_question_or_none() -> None:
    def example(question: str, **meta: object) -> Example:
        return Example(user(question), meta=meta)

    assert references([example("a", answer=0), example("b", answer="so \\boxed{1,000}")]) == {"a": "0", "b": "1000"}
    assert references([example("a", answer=0), example("a", answer="0")]) == {"a": "0"}
    assert references([example("a", answer=0), example("a", answer=1)]) == {}
    assert references([example("a", answer=0), example("b", answer=None)]) == {}
    assert references([example("a", answer=0), example("b", answer=" ")]) == {}


def test_a_share_is_of_all_questions() -> None:
    known = {"a": "12", "b": "paris"}
    assert marked(known)("b", "Paris.") == {"reply": "Paris.", "right": True}
    assert not marked(known)("b", "")["right"]
    trees = {"ida-amplify-1": [Node("a", "Answer: 12", "overseer"), Node("b", None, "nobody")]}
    assert shares(amplified_rows(trees, known)) == {"ida-amplify-1": stats.proportion(1, 2)}
